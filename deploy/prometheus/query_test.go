package prometheus

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// checkQuery parses a query and returns the labels that its result can have. It
// is an error if the query names a metric, or a label of one, that there is not.
func checkQuery(query string) (labels, error) {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		return nil, err
	}
	return resultOf(expr)
}

// resultOf returns the labels that an expression's result can have.
func resultOf(node parser.Expr) (labels, error) {
	switch e := node.(type) {
	case *parser.VectorSelector:
		return selected(e)
	case *parser.MatrixSelector:
		return resultOf(e.VectorSelector)
	case *parser.SubqueryExpr:
		return resultOf(e.Expr)
	case *parser.ParenExpr:
		return resultOf(e.Expr)
	case *parser.UnaryExpr:
		return resultOf(e.Expr)
	case *parser.StepInvariantExpr:
		return resultOf(e.Expr)
	case *parser.AggregateExpr:
		return aggregated(e)
	case *parser.BinaryExpr:
		return combined(e)
	case *parser.Call:
		return called(e)
	case *parser.NumberLiteral, *parser.StringLiteral:
		return labels{}, nil
	}
	return nil, fmt.Errorf("%T is not known to this check", node)
}

func selected(e *parser.VectorSelector) (labels, error) {
	known, err := series()
	if err != nil {
		return nil, err
	}
	have, ok := known[e.Name]
	if !ok {
		return nil, fmt.Errorf("there is no metric %q", e.Name)
	}
	for _, matcher := range e.LabelMatchers {
		if matcher.Name != "__name__" && !have[matcher.Name] {
			return nil, fmt.Errorf("%s has no label %s", e.Name, matcher.Name)
		}
	}
	return have, nil
}

func aggregated(e *parser.AggregateExpr) (labels, error) {
	inner, err := resultOf(e.Expr)
	if err != nil {
		return nil, err
	}
	for _, name := range e.Grouping {
		if !inner[name] {
			return nil, fmt.Errorf("%s: what is aggregated has no label %s", e, name)
		}
	}
	if e.Op == parser.TOPK || e.Op == parser.BOTTOMK {
		return inner, nil
	}
	if !e.Without {
		return setOf(e.Grouping...), nil
	}
	rest := inner.with()
	for _, name := range e.Grouping {
		delete(rest, name)
	}
	return rest, nil
}

func combined(e *parser.BinaryExpr) (labels, error) {
	left, leftErr := resultOf(e.LHS)
	right, rightErr := resultOf(e.RHS)
	if err := errors.Join(leftErr, rightErr); err != nil {
		return nil, err
	}
	matching := e.VectorMatching
	if matching == nil {
		return left.union(right), nil // one of them is a number
	}
	for _, name := range matching.MatchingLabels {
		if !left[name] || !right[name] {
			return nil, fmt.Errorf("%s: one side has no label %s", e, name)
		}
	}
	switch {
	case e.Op == parser.LOR:
		return left.union(right), nil
	case e.Op == parser.LAND, e.Op == parser.LUNLESS:
		return left, nil
	case matching.Card == parser.CardManyToOne:
		return left.with(matching.Include...), nil
	case matching.Card == parser.CardOneToMany:
		return right.with(matching.Include...), nil
	case matching.On:
		return setOf(matching.MatchingLabels...), nil
	}
	return left, nil
}

func called(e *parser.Call) (labels, error) {
	result := labels{}
	for _, argument := range e.Args {
		have, err := resultOf(argument)
		if err != nil {
			return nil, err
		}
		result = result.union(have)
	}
	switch e.Func.Name {
	case "label_replace":
		return result.with(e.Args[1].(*parser.StringLiteral).Val), nil
	case "histogram_quantile":
		if !result["le"] {
			return nil, fmt.Errorf("%s: the buckets have lost their label le", e)
		}
		delete(result, "le")
	case "absent", "absent_over_time", "vector", "scalar", "time":
		return labels{}, nil
	}
	return result, nil
}

// TestQueriesThatAreWrongAreRefused tests the check itself.
func TestQueriesThatAreWrongAreRefused(t *testing.T) {
	for query, want := range map[string]string{
		`connect_provider_lanes_lost`:                                                            "no metric",
		`connect_provider_batch_size`:                                                            "no metric",
		`connect_provider_ready_sum`:                                                             "no metric",
		`connect_provider_ready{class="bulk"}`:                                                   "no label class",
		`sum by (class) (connect_provider_ready)`:                                                "no label class",
		`sum without (class) (connect_provider_ready)`:                                           "no label class",
		`connect_provider_lanes_owned * on (class) group_left () connect_provider_ready`:         "no label class",
		`histogram_quantile(0.9, sum by (class) (rate(connect_provider_batch_size_bucket[5m])))`: "lost their label le",
		`sum(connect_provider_ready`:                                                             "unclosed",
		`rate(connect_provider_outcomes_total)`:                                                  "expected type range vector",
		`{class="bulk"}`:                                                                         "no metric",
	} {
		if _, err := checkQuery(query); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one that says %q", query, err, want)
		}
	}
	for query, want := range map[string]labels{
		`sum by (class) (connect_provider_lanes_owned * on (job, instance) group_left () connect_provider_ready)`: setOf("class"),
		`label_replace(sum(connect_provider_ready), "class", "all", "", "")`:                                      setOf("class"),
		`connect_provider_lanes_owned > 3`:                                                                        setOf("class", "job", "instance"),
		`rate(connect_provider_outcomes_total[5m]) or vector(0)`:                                                  setOf("class", "code", "job", "instance"),
		`absent(connect_provider_ready) or sum(connect_provider_ready)`:                                           setOf(),
	} {
		have, err := checkQuery(query)
		if err != nil || len(have) != len(want) {
			t.Errorf("%s: labels %v, error %v; want %v", query, have, err, want)
		}
		for name := range want {
			if !have[name] {
				t.Errorf("%s: labels %v, want %v", query, have, want)
			}
		}
	}
}
