package systemtest

// KeepStream copies what the running server has on disk of a stream. Nobody may
// write to the stream meanwhile.
func (s *NATSServer) KeepStream(stream string) {
	s.t.Helper()
	ctx, cancel := startContext()
	defer cancel()
	if err := s.host.KeepStream(ctx, stream); err != nil {
		s.t.Fatalf("keep stream %s: %v", stream, err)
	}
}

// RewindStream ends the server and puts a stream back as it was at KeepStream,
// under the same creation time: as after an unclean election, or a loss of
// power of a server that does not sync its writes. Start goes on from there;
// other streams are as they were. The copy stays usable.
func (s *NATSServer) RewindStream(stream string) {
	s.t.Helper()
	if err := s.host.RewindStream(stream); err != nil {
		s.t.Fatalf("rewind stream %s: %v", stream, err)
	}
}
