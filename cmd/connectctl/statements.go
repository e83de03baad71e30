package main

import "embed"

// sqlFiles hold the statements of the operator's commands, one a file.
//
//go:embed sql/*.sql
var sqlFiles embed.FS

// statement returns the one in a file.
func statement(name string) string {
	text, err := sqlFiles.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err) // only constants get here
	}
	return string(text)
}
