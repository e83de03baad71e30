package onboard

import "strings"

// Spreadsheets run a cell that begins with one of these as a formula. Each phone
// number in E.164 form does.
const formulaStarts = "=+-@\t\r"

// escapeCell returns a cell as it is written to a report: with an apostrophe
// before what a spreadsheet would run, which it takes for the mark of a text.
func escapeCell(cell string) string {
	if formulaLike(strings.TrimLeft(cell, "'")) {
		return "'" + cell
	}
	return cell
}

// unescapeCell returns what escapeCell was given. A cell that was never escaped
// is left as it is, unless it begins like one that was.
func unescapeCell(cell string) string {
	if strings.HasPrefix(cell, "'") && formulaLike(strings.TrimLeft(cell, "'")) {
		return cell[1:]
	}
	return cell
}

func formulaLike(text string) bool {
	return text != "" && strings.IndexByte(formulaStarts, text[0]) >= 0
}
