// Renders the chart as `helm template` does, for machines without Helm: Go's templates with the function library that Helm
// uses (Debian: golang-go, golang-github-masterminds-sprig-dev, golang-k8s-sigs-yaml-dev). It is not Helm: no subcharts, no
// hooks, no lookup, and values.schema.json is checked by whoever calls it.
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run render.go CHART VALUES KUBERNETES > manifests.yaml
//	… render.go --values CHART VALUES KUBERNETES prints the merged values instead.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"sigs.k8s.io/yaml"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "render:", err)
		os.Exit(1)
	}
}

func read(path string) map[string]interface{} {
	text, err := os.ReadFile(path)
	must(err)
	value := map[string]interface{}{}
	must(yaml.UnmarshalStrict(text, &value))
	return value
}

// merge lays b over a: mappings key by key, everything else as a whole.
func merge(a, b map[string]interface{}) map[string]interface{} {
	for key, value := range b {
		under, isMap := a[key].(map[string]interface{})
		over, isMapToo := value.(map[string]interface{})
		if isMap && isMapToo {
			a[key] = merge(under, over)
		} else {
			a[key] = value
		}
	}
	return a
}

func main() {
	onlyValues := len(os.Args) > 1 && os.Args[1] == "--values"
	arguments := os.Args[1:]
	if onlyValues {
		arguments = arguments[1:]
	}
	chart, own, kubernetes := arguments[0], arguments[1], arguments[2]
	values := merge(read(filepath.Join(chart, "values.yaml")), read(own))
	if onlyValues {
		text, err := yaml.Marshal(values)
		must(err)
		fmt.Print(string(text))
		return
	}
	about := map[string]interface{}{}
	for key, value := range read(filepath.Join(chart, "Chart.yaml")) {
		about[strings.ToUpper(key[:1])+key[1:]] = value // .Chart's fields are those of a Go type
	}
	data := map[string]interface{}{
		"Values": values, "Chart": about,
		"Release":      map[string]interface{}{"Name": "edge", "Namespace": "default", "Service": "Helm"},
		"Capabilities": map[string]interface{}{"KubeVersion": map[string]interface{}{"Version": kubernetes}},
	}
	all := template.New("chart").Option("missingkey=error")
	functions := sprig.TxtFuncMap()
	delete(functions, "env") // Helm takes these two out as well
	delete(functions, "expandenv")
	functions["include"] = func(name string, data interface{}) (string, error) {
		var out bytes.Buffer
		err := all.ExecuteTemplate(&out, name, data)
		return out.String(), err
	}
	functions["toYaml"] = func(value interface{}) (string, error) {
		text, err := yaml.Marshal(value)
		return strings.TrimSuffix(string(text), "\n"), err
	}
	functions["fail"] = func(message string) (string, error) { return "", errors.New(message) }
	functions["required"] = func(message string, value interface{}) (interface{}, error) {
		if value == nil || value == "" {
			return nil, errors.New(message)
		}
		return value, nil
	}
	all.Funcs(functions)
	files, err := filepath.Glob(filepath.Join(chart, "templates", "*"))
	must(err)
	sort.Strings(files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(err)
		_, err = all.New(filepath.Base(file)).Parse(string(text))
		must(err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		var out bytes.Buffer
		must(all.ExecuteTemplate(&out, name, data))
		if strings.HasSuffix(name, ".yaml") && strings.TrimSpace(out.String()) != "" {
			fmt.Printf("---\n# Source: %s\n%s\n", name, strings.TrimSpace(out.String()))
		}
	}
}
