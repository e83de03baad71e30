package faults_test

import (
	"os"
	"testing"

	"connect-provider/deploy/systemtest"
)

func TestMain(m *testing.M) { os.Exit(systemtest.Main(m)) }
