package nats

import (
	"embed"
	"io/fs"
)

//go:embed nats.conf tls.conf access.conf
var files embed.FS

// Files returns the server's configuration as it is mounted at /etc/nats:
// nats.conf, access.conf and tls.conf. What they include from credentials is
// made by [Keys] and [Organizations].
func Files() fs.FS { return files }
