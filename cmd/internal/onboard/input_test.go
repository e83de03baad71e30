package onboard

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.String()
}

// readAll reads all rows: their members, or what is wrong with each.
func readAll(in *Input) (rows []string, err error) {
	reader, err := in.rows()
	if err != nil {
		return nil, err
	}
	for {
		record, err := reader.next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		line := strings.Join(record.values[:], "|")
		if record.problem != "" {
			line += " " + record.problem
		}
		rows = append(rows, line)
	}
}

func TestFilesAreRead(t *testing.T) {
	t.Parallel()
	const plain = "bridge_slug,provider_config_id,phone_number\nsales,42,+1555\n"
	for name, tt := range map[string]struct {
		text    string
		columns map[string]string
		want    []string
	}{
		"plain":                    {text: plain, want: []string{"sales|42|+1555||"}},
		"no newline at the end":    {text: strings.TrimSuffix(plain, "\n"), want: []string{"sales|42|+1555||"}},
		"Windows":                  {text: strings.ReplaceAll(plain, "\n", "\r\n"), want: []string{"sales|42|+1555||"}},
		"byte order mark":          {text: "\ufeff" + plain, want: []string{"sales|42|+1555||"}},
		"gzip":                     {text: zipped(plain), want: []string{"sales|42|+1555||"}},
		"gzip, byte order mark":    {text: zipped("\ufeff" + plain), want: []string{"sales|42|+1555||"}},
		"gzip of two parts":        {text: zipped(plain) + zipped("b,1,+1\n"), want: []string{"sales|42|+1555||", "b|1|+1||"}},
		"semicolons":               {text: strings.ReplaceAll(plain, ",", ";"), want: []string{"sales|42|+1555||"}},
		"tabs":                     {text: strings.ReplaceAll(plain, ",", "\t"), want: []string{"sales|42|+1555||"}},
		"commas in a semicolon's":  {text: "note, if any;bridge_slug;provider_config_id;phone_number\na,b,c;s;1;+1\n", want: []string{"s|1|+1||"}},
		"only a header":            {text: "bridge_slug,provider_config_id,phone_number\n"},
		"empty lines":              {text: plain + "\n\nb,1,+1\n\n", want: []string{"sales|42|+1555||", "b|1|+1||"}},
		"quoted newline and quote": {text: "note,bridge_slug,provider_config_id,phone_number\n\"a \"\"b\"\"\nc, d\",s,1,+1\n", want: []string{"s|1|+1||"}},
		"all members":              {text: "command_id,org_handle,bridge_slug,provider_config_id,phone_number\nid,acme,s,1,+1\n", want: []string{"s|1|+1|acme|id"}},
		"spaces around names":      {text: " bridge_slug , provider_config_id,phone_number \ns,1, +1\n", want: []string{"s|1| +1||"}},
		"escaped cells":            {text: "bridge_slug,provider_config_id,phone_number\n'=s,1,'+1555\n", want: []string{"=s|1|+1555||"}},
		"mapped":                   {text: "Bridge;Konto;Telefon\ns;1;+1\n", columns: map[string]string{"bridge_slug": "Bridge", "provider_config_id": "Konto", "phone_number": "Telefon"}, want: []string{"s|1|+1||"}},
		"too few, too many cells": {text: plain + "s,1\ns,1,+1,surplus\n", want: []string{"sales|42|+1555||",
			"s|1||| The row has 2 cells where the first line names 3 columns.", "s|1|+1|| The row has 4 cells where the first line names 3 columns."}},
		"a report": {text: "bridge_slug,provider_config_id,phone_number,failure_code,failure_message,failure_details\ns,1,'+1,x,y,\"{\"\"a\"\":\"\"b\"\"}\"\n", want: []string{"s|1|+1||"}},
		"JSONL": {text: "{\"bridge_slug\":\"s\",\"provider_config_id\":42,\"phone_number\":\"+1\",\"x\":[1]}\n\n  \n{\"phone_number\":\"'+1\",\"provider_config_id\":\"42\",\"bridge_slug\":\"s\",\"org_handle\":null}",
			want: []string{"s|42|+1||", "s|42|'+1||"}},
		"JSONL, gzip, byte order mark": {text: zipped("\ufeff{\"bridge_slug\":\"s\\u00e9\"}\r\n"), want: []string{"sé||||"}},
		"JSONL that can't be read": {text: "{}\nnothing\n{\"phone_number\":1}\n{\"a\":1,\"a\":2}\n{} {}\n[]\n", want: []string{"||||",
			"|||| The line is no JSON object that can be read: it does not begin with {.",
			"|||| The line is no JSON object that can be read: \"phone_number\" must be a string.",
			"|||| The line is no JSON object that can be read: at byte 8: duplicate object member name.",
			"|||| The line is no JSON object that can be read: something follows the object.",
			"|||| The line is no JSON object that can be read: it does not begin with {."}},
		"JSONL, mapped": {text: `{"Telefon":"+1","phone_number":"+2"}`, columns: map[string]string{"phone_number": "Telefon"}, want: []string{"||+1||"}},
		"JSONL, too long": {text: "{\"note\":\"" + strings.Repeat("x", maxRecord) + "\"}\n{\"bridge_slug\":\"s\"}\n",
			want: []string{"|||| The line is longer than 1 MiB.", "s||||"}},
	} {
		in, err := openText(tt.text, tt.columns)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for range 2 { // it can be read again
			if rows, err := readAll(in); err != nil || !slices.Equal(rows, tt.want) {
				t.Errorf("%s: %q, %v; want %q", name, rows, err, tt.want)
			}
		}
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	const plain = "bridge_slug,provider_config_id,phone_number\n"
	for name, tt := range map[string]struct{ text, says string }{
		"empty":               {"", "empty"},
		"spaces":              {" \n\n", "empty"},
		"UTF-16":              {"\xff\xfeb\x00", "UTF-16"},
		"no such columns":     {"a,b,c\n1,2,3\n", "no column is named bridge_slug, provider_config_id, phone_number; the first line names: a, b, c"},
		"a column missing":    {"bridge_slug;provider_config_id;phone\n", "no column is named phone_number"},
		"a column twice":      {"bridge_slug,provider_config_id,phone_number,phone_number\n", "twice"},
		"bare quote":          {plain + "a,1,+1\nb\"c,1,+1\n", "line 3"},
		"quote never closed":  {plain + "a,1,\"+1\n" + strings.Repeat("b,1,+1\n", 10), "line"},
		"and it goes on":      {plain + "a,1,\"+1\n" + strings.Repeat("b,1,+1\n", maxRecord/5), "never be closed"},
		"truncated gzip":      {zipped(plain + strings.Repeat("a,1,+1\n", 100))[:40], "unexpected EOF"},
		"gzip of nothing":     {"\x1f\x8b", "gzip"},
		"quote in the header": {"bridge_slug,\"provider\nb\n", "first line"},
	} {
		in, err := openText(tt.text, nil)
		if err == nil {
			_, err = in.Survey("acme")
		}
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want something that says %q", name, err, tt.says)
		}
	}
}

func TestStandardInputIsKept(t *testing.T) {
	t.Parallel()
	in, err := OpenInput("-", strings.NewReader("bridge_slug,provider_config_id,phone_number\ns,1,+1\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close() //nolint:errcheck // it was read only
	for range 2 {
		if rows, err := readAll(in); err != nil || len(rows) != 1 {
			t.Errorf("%q, %v", rows, err)
		}
	}
}

func TestSurvey(t *testing.T) {
	t.Parallel()
	plain := "bridge_slug,provider_config_id,phone_number,org_handle\na,1,+1,globex\na,1,+1,\na,1,+1,globex\n"
	in, err := openText(plain, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := in.Survey("acme")
	if err != nil || s.Rows != 3 || len(s.Organizations) != 2 || s.Organizations[1].Handle != "acme" || s.More {
		t.Errorf("%+v, %v", s, err)
	}
	other, err := openText(zipped("\ufeff"+plain), nil)
	if err != nil {
		t.Fatal(err)
	}
	if same, err := other.Survey("acme"); err != nil || same.Rows != 3 {
		t.Errorf("%+v, %v", same, err)
	}
	zip, err := openText(zipped(plain), nil)
	if err != nil {
		t.Fatal(err)
	}
	if same, err := zip.Survey("acme"); err != nil || same.Digest != s.Digest {
		t.Errorf("compressed it is another job: %+v, %v", same, err)
	}
}

// TestCellsRoundTrip: what is escaped is read back unharmed, and no spreadsheet
// runs it.
func TestCellsRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cell := rapid.StringOf(rapid.SampledFrom([]rune("'=+-@\t\rab"))).Draw(t, "cell")
		escaped := escapeCell(cell)
		if escaped != "" && strings.ContainsAny(escaped[:1], formulaStarts) {
			t.Errorf("%q would be run", escaped)
		}
		if back := unescapeCell(escaped); back != cell {
			t.Errorf("%q becomes %q and then %q", cell, escaped, back)
		}
	})
	for cell, want := range map[string]string{"+1555": "'+1555", "=1+1": "'=1+1", "'+1": "''+1", "": "", "a+b": "a+b", "'": "'", "it's": "it's", "-": "'-"} {
		if got := escapeCell(cell); got != want {
			t.Errorf("%q: %q, want %q", cell, got, want)
		}
	}
}

// TestReportsAreReadAgain: a report has the file's own columns, and only those
// come back from it, whatever they hold.
func TestReportsAreReadAgain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cell := rapid.StringOf(rapid.SampledFrom([]rune("'=+-@\t\"\n,;| éab\x00")))
		var text bytes.Buffer
		comma := rapid.SampledFrom([]rune{',', ';', '\t'}).Draw(t, "comma")
		in, err := openText("bridge_slug"+string(comma)+"provider_config_id"+string(comma)+"phone_number"+string(comma)+"note\n", nil)
		if err != nil {
			t.Fatal(err)
		}
		all := rapid.Bool().Draw(t, "all")
		form := rapid.SampledFrom([]Form{CSV, JSONL}).Draw(t, "form")
		writer, err := newRowWriter(&text, in, form, all)
		if err != nil {
			t.Fatal(err)
		}
		var wrote []string
		for range rapid.IntRange(0, 5).Draw(t, "rows") {
			record := &Record{cells: []string{cell.Draw(t, "a"), cell.Draw(t, "b"), cell.Draw(t, "c"), cell.Draw(t, "d")}}
			o := &outcome{failure: malformed("x", cell.Draw(t, "message"))}
			if err := writer.write(record, o, cell.Draw(t, "id")); err != nil {
				t.Fatal(err)
			}
			wrote = append(wrote, strings.Join(record.cells[:3], "|")+"||")
		}
		if err := writer.flush(); err != nil {
			t.Fatal(err)
		}
		if form == JSONL && len(wrote) == 0 {
			return
		}
		back, err := openText(text.String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if rows, err := readAll(back); err != nil || !slices.Equal(rows, wrote) {
			t.Fatalf("%q becomes %q, %v\n%s", wrote, rows, err, text.String())
		}
		if form == CSV && !slices.Equal(back.Header, in.Header) {
			t.Fatalf("columns %q", back.Header)
		}
	})
}

// TestGoldenReports shows reports as people get them.
func TestGoldenReports(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"comma":     "phone_number,bridge_slug,provider_config_id,=note\n+15550001,a,1,\"two\nlines\"\n+15550001,b,1,-1\n555,a,1,\n+15550002,none,1,\"a, b\"\na\n+1,a,1,n,surplus,=more\n",
		"semicolon": "\ufeffphone_number;bridge_slug;provider_config_id;note\n+15550001;a;1;a;b\n+15550002;none;1;\"x;y\"\n",
		"jsonl":     `{"phone_number":"+15550001","bridge_slug":"a","provider_config_id":1,"note":{"a":[1]}}` + "\nno JSON\n" + `{"phone_number":"+15550001","bridge_slug":"b","provider_config_id":1,"failure_code":"from before"}` + "\n",
	} {
		for _, form := range []Form{CSV, JSONL} {
			r := newTestRun(t, t.TempDir(), text)
			in, survey, err := r.input()
			if err != nil {
				t.Fatal(err)
			}
			if form, err = in.ReportForm(form); err != nil {
				continue
			}
			run, err := NewRun(in, survey, newFake(), r.options)
			if err != nil {
				t.Fatal(err)
			}
			if err := run.Do(t.Context()); err != nil {
				t.Fatal(err)
			}
			failed, all := r.dir+"/failed", r.dir+"/all"
			counts, err := run.Report(ReportTo{Path: failed, Form: form}, ReportTo{Path: all, Form: form, All: true})
			if err != nil || counts[0] != run.Progress().Failed || counts[1] != survey.Rows {
				t.Errorf("%s: %v rows, %v", name, counts, err)
			}
			golden(t, filepath.Join("reports", name+".failed."+string(form)), failed)
			golden(t, filepath.Join("reports", name+".outcomes."+string(form)), all)
			if left, err := filepath.Glob(r.dir + "/.*"); err != nil || len(left) > 0 {
				t.Errorf("left behind: %q, %v", left, err)
			}
			if err := run.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func golden(t *testing.T, name, path string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (go test -update writes it)", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is\n%s\nand now it would be\n%s", file, want, got)
	}
}

// FuzzRows: whatever a file holds, it is read within bounds, the same each time,
// or refused, and what rows say can be reported.
func FuzzRows(f *testing.F) {
	f.Add([]byte("bridge_slug,provider_config_id,phone_number\ns,1,+1\n"))
	f.Add([]byte("\ufeffbridge_slug;provider_config_id;phone_number;note\ns;1;'+1;\"a\n\"\"b\"\n"))
	f.Add([]byte("{\"bridge_slug\":\"s\"}\nnot JSON\n"))
	f.Add([]byte(zipped("bridge_slug\tprovider_config_id\tphone_number\ns\t1\t+1\t\n")))
	f.Fuzz(func(t *testing.T, content []byte) {
		in, err := openText(string(content), nil)
		if err != nil {
			return
		}
		survey, err := in.Survey("acme")
		if err != nil {
			return
		}
		rows, err := readAll(in)
		if err != nil || int64(len(rows)) != survey.Rows {
			t.Fatalf("%d rows of %d, %v", len(rows), survey.Rows, err)
		}
		var report bytes.Buffer
		writer, err := newRowWriter(&report, in, JSONL, true)
		if err != nil {
			t.Fatal(err)
		}
		reader, err := in.rows()
		if err != nil {
			t.Fatal(err)
		}
		job := Job{Name: "job", Organization: "acme"}
		for range rows {
			record, err := reader.next()
			if err != nil {
				t.Fatal(err)
			}
			made, failure := job.row(record)
			if failure == nil && (made.id == "" || made.body == nil) {
				t.Fatalf("%+v and %v", made, failure)
			}
			if err := writer.write(record, &outcome{failure: failure}, made.id); err != nil {
				t.Fatal(err)
			}
		}
		if err := writer.flush(); err != nil {
			t.Fatal(err)
		}
		if report.Len() > 0 && !utf8.Valid(report.Bytes()) {
			t.Fatal("a report that is not UTF-8")
		}
	})
}
