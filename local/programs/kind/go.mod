module modelyard.dev/local/programs/kind

go 1.26.0

tool (
	github.com/yannh/kubeconform/cmd/kubeconform
	sigs.k8s.io/kind
)

require (
	github.com/yannh/kubeconform v0.8.0
	sigs.k8s.io/kind v0.33.0
)
