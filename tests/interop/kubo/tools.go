//go:build tools

// Package kubo pins the version of Kubo that the tests speak with; nothing else is in it.
package kubo

import _ "github.com/ipfs/kubo/cmd/ipfs"
