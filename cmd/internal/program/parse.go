package program

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// ErrHelp says that the user asked for help or the version and got it.
var ErrHelp = errors.New("help was shown")

// Parsed is a command line that could be read.
type Parsed struct {
	// Command is the selected command's name, such as "worker" or "dead-letters list".
	Command string
	// Selected points to the selected command's own struct.
	Selected any
	context  *kong.Context
	values   *values
}

// exited unwinds the parser where it would end the process.
type exited struct{}

// Parse reads the command line into a struct with kong's tags. What can't be
// read as a command line at all is an error for ExitUsage; single values that
// can't be read are among Problems.
func Parse(target any, args []string, stdout, stderr io.Writer, options ...kong.Option) (parsed *Parsed, err error) {
	v := &values{wrong: map[string]error{}}
	options = append(options, kong.Writers(stdout, stderr), kong.Exit(func(int) { panic(exited{}) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}))
	parser, err := kong.New(target, append(options, v.options()...)...)
	if err != nil {
		return nil, err
	}
	defer func() {
		switch r := recover(); r.(type) {
		case nil:
		case exited:
			err = ErrHelp
		default:
			panic(r)
		}
	}()
	context, err := parser.Parse(args)
	if err != nil {
		return nil, Usage("%w; --help tells more", err)
	}
	selected := context.Selected()
	return &Parsed{
		Command:  strings.TrimPrefix(selected.Path(), parser.Model.Name+" "),
		Selected: selected.Target.Addr().Interface(), context: context, values: v,
	}, nil
}

// Check joins what could not be read with the problems that a command has
// found itself, into one error for ExitUsage that lists them all. It returns
// nil if there are none.
func (p *Parsed) Check(problems ...error) error {
	var lines []string
	for _, problem := range append(p.values.problems(), problems...) {
		if problem != nil {
			lines = append(lines, strings.Split(problem.Error(), "\n")...)
		}
	}
	switch len(lines) {
	case 0:
		return nil
	case 1:
		return Usage("configuration: %s", lines[0])
	}
	return Exit(ExitUsage, fmt.Errorf("configuration: %d problems:\n  %s", len(lines), strings.Join(lines, "\n  ")))
}
