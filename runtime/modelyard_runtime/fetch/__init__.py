"""The downloader: brings a model onto a volume, whole and verified, or says why not."""
