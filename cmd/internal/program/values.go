package program

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// Size is a number of bytes, written with or without a unit: 1048576, 512MiB.
type Size int64

// String returns the size with the largest unit that leaves it whole.
func (s Size) String() string {
	for _, unit := range units {
		if s >= Size(unit.bytes) && int64(s)%unit.bytes == 0 {
			return strconv.FormatInt(int64(s)/unit.bytes, 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

var units = []struct {
	name  string
	bytes int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

func parseSize(text string) (Size, error) {
	factor := int64(1)
	for _, unit := range units {
		if number, ok := strings.CutSuffix(text, unit.name); ok {
			text, factor = strings.TrimSpace(number), unit.bytes
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err == nil && (n < 0 || n > math.MaxInt64/factor) {
		err = errors.New("out of range")
	}
	return Size(n * factor), err
}

// values reads settings from text. A value that can't be read leaves the
// setting at its default and is noted, so that all of them can be told together.
type values struct{ wrong map[string]error }

func (v *values) options() []kong.Option {
	return []kong.Option{
		kong.TypeMapper(reflect.TypeFor[time.Duration](), mapper(v, time.ParseDuration, "is no duration; write it as in 500ms, 15s or 72h")),
		kong.TypeMapper(reflect.TypeFor[Size](), mapper(v, parseSize, "is no size; write it as in 1048576, 512MiB or 4GiB")),
		kong.TypeMapper(reflect.TypeFor[int](), mapper(v, strconv.Atoi, "is no whole number")),
	}
}

func mapper[T any](v *values, parse func(string) (T, error), problem string) kong.MapperFunc {
	return func(ctx *kong.DecodeContext, target reflect.Value) error {
		var text string
		if err := ctx.Scan.PopValueInto("value", &text); err != nil {
			return err
		}
		value, err := parse(text)
		if err != nil {
			v.wrong[ctx.Value.Name] = fmt.Errorf("%s: %q %s", nameOf(ctx.Value), text, problem)
			// so that nobody complains about a zero as well
			value, _ = parse(ctx.Value.Default)
		}
		target.Set(reflect.ValueOf(value))
		return nil
	}
}

// nameOf names a setting in every way in which it can be given.
func nameOf(value *kong.Value) string {
	name := "--" + value.Name
	if len(value.Tag.Envs) > 0 {
		name += " (" + strings.Join(value.Tag.Envs, ", ") + ")"
	}
	return name
}

func (v *values) problems() []error {
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(v.wrong)) {
		problems = append(problems, v.wrong[name])
	}
	return problems
}
