package messages_test

import (
	"testing"

	"connect-provider/messages"
)

func TestClasses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		class                messages.Class
		name, letter, stream string
	}{
		{messages.Interactive, "interactive", "c", "TELEPHONY_COMMANDS"},
		{messages.Bulk, "bulk", "b", "TELEPHONY_BULK"},
	} {
		if tt.class.String() != tt.name || tt.class.Letter() != tt.letter || tt.class.Stream() != tt.stream {
			t.Errorf("%v: letter %q, stream %q", tt.class, tt.class.Letter(), tt.class.Stream())
		}
	}
	if messages.Class('x').Valid() || messages.Class('x').String() != "class(0x78)" {
		t.Errorf("an unknown class shows as %v", messages.Class('x'))
	}
}
