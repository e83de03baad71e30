package program

import (
	"fmt"

	"github.com/alecthomas/kong"
	"go.uber.org/zap"
)

// Settings returns every setting of the selected command with its value, for
// the log. Fields with the tag `secret:""` are masked whole, those with the tag
// `url:""` as the function given does; settings that are empty are left out.
func (p *Parsed) Settings(maskURL func(string) string) []zap.Field {
	var fields []zap.Field
	for _, group := range p.context.Selected().AllFlags(true) {
		for _, flag := range group {
			if flag.Target.IsZero() || flag.Name == "help" {
				continue
			}
			fields = append(fields, zap.String(flag.Name, shown(flag, maskURL)))
		}
	}
	return fields
}

func shown(flag *kong.Flag, maskURL func(string) string) string {
	value := fmt.Sprint(flag.Target.Interface())
	switch {
	case flag.Tag.Has("secret"):
		return masked
	case flag.Tag.Has("url"):
		return maskURL(value)
	}
	return value
}
