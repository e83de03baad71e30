package connection

import (
	"fmt"
	"os"
	"strings"
)

// secret returns a setting that may be given itself or as the name of a file
// that holds it, as orchestrators mount secrets. Line ends after it are not
// part of it.
func secret(name, value, file string) (string, error) {
	switch {
	case file == "":
		return value, nil
	case value != "":
		return "", fmt.Errorf("%s and %s_FILE are both set: keep one", name, name)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("%s_FILE: %w", name, err)
	}
	value = strings.TrimRight(string(content), "\r\n")
	if value == "" {
		return "", fmt.Errorf("%s_FILE: %s is empty", name, file)
	}
	return value, nil
}

// readable tells whether a file that a setting names can be read.
func readable(name, file string) error {
	if file == "" {
		return nil
	}
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return f.Close()
}
