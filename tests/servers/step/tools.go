//go:build tools

// Package tools pins the programs that the conformance tests run.
package tools

import _ "github.com/smallstep/cli/cmd/step"
