// The module that builds the images is separate so that none of its dependencies reaches
// the operator's go.mod.
module trust-manager.io/hack/images

go 1.26.0

toolchain go1.26.11

require github.com/google/go-containerregistry v0.22.1

require (
	github.com/klauspost/compress v1.20.4 // indirect
	github.com/opencontainers/go-digest v1.0.0 // indirect
	github.com/opencontainers/image-spec v1.1.1 // indirect
	golang.org/x/sync v0.22.0 // indirect
)
