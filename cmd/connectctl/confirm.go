package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"connect-provider/cmd/internal/program"
)

// confirm makes sure that a person means it: by --yes, or by an answer on the
// terminal. Where there is no terminal it asks nobody and returns an error.
func (p process) confirm(yes bool, question string) error {
	if yes {
		return nil
	}
	if program.TerminalWidth(p.stdout) == 0 || !program.IsTerminal(os.Stdin) {
		return fmt.Errorf("%s; nothing was done, give --yes if that is meant", question)
	}
	fmt.Fprintf(p.stdout, "%s. Go on? [y/N] ", question)
	answer, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		return fmt.Errorf("nothing was done")
	}
	return nil
}
