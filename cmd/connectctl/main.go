package main

import "connect-provider/cmd/internal/program"

func main() { program.Main(run) }
