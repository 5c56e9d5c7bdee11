// Checkconfig reads a kind configuration as kind does, refusing unknown fields, and says what is wrong with it.
package main

import (
	"bytes"
	"fmt"
	"os"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
)

func main() {
	if len(os.Args) != 2 {
		fail("usage: checkconfig FILE")
	}
	data, err := os.ReadFile(os.Args[1])
	if err != nil {
		fail("%v", err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	var cluster v1alpha4.Cluster
	if err := decoder.Decode(&cluster); err != nil {
		fail("%s: %v", os.Args[1], err)
	}
	if cluster.Kind != "Cluster" || cluster.APIVersion != "kind.x-k8s.io/v1alpha4" {
		fail("%s: is %q of %q, not a Cluster of kind.x-k8s.io/v1alpha4", os.Args[1], cluster.Kind, cluster.APIVersion)
	}
	fmt.Printf("%s: %d node(s)\n", os.Args[1], len(cluster.Nodes))
}

func fail(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	os.Exit(1)
}
