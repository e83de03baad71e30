package systemtest

import (
	"context"
	"os"
	"path/filepath"
)

// streamsDir is where the server keeps streams, below its store's directory.
const streamsDir = "jetstream/$G/streams"

// KeepStream copies what the running server has on disk of a stream. Nobody may
// write to the stream meanwhile.
func (s *NATSServer) KeepStream(stream string) {
	s.t.Helper()
	ctx, cancel := startContext()
	defer cancel()
	if err := s.host.keep(ctx, stream); err != nil {
		s.t.Fatalf("keep stream %s: %v", stream, err)
	}
}

// RewindStream ends the server and puts a stream back as it was at KeepStream,
// under the same creation time: as after an unclean election, or a loss of
// power of a server that does not sync its writes. Start goes on from there;
// other streams are as they were. The copy stays usable.
func (s *NATSServer) RewindStream(stream string) {
	s.t.Helper()
	ctx, cancel := startContext()
	defer cancel()
	if err := s.host.rewind(ctx, stream); err != nil {
		s.t.Fatalf("rewind stream %s: %v", stream, err)
	}
}

// keepLocally tries again while files come and go.
func keepLocally(ctx context.Context, dir, stream string) error {
	return retry(ctx, func() error {
		return replaceDir(filepath.Join(dir, "kept", stream), filepath.Join(dir, streamsDir, stream))
	})
}

func rewindLocally(dir, stream string) error {
	return replaceDir(filepath.Join(dir, streamsDir, stream), filepath.Join(dir, "kept", stream))
}

func replaceDir(to, from string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	return os.CopyFS(to, os.DirFS(from))
}
