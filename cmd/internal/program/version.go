package program

import "runtime/debug"

// version is set by builds that know it, with -ldflags -X, where the sources
// come without their repository.
var version string

// Version returns the version that the binary was built from: what the build
// was told, the module's, or the commit's.
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			return setting.Value
		}
	}
	return "devel"
}
