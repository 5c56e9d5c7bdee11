"""The downloader: brings a model from a hub onto a volume, whole and verified, or says why not."""
