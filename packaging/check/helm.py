"""Helm's own code for machines without the program: the library helm-python-sdk (PyPI) carries Helm's Go SDK.

helm.py lint CHART VALUES      as `helm lint --strict`; what is worth a word is printed
helm.py template CHART VALUES  the manifests, after the values were held to values.schema.json
helm.py version
"""

import sys

import helm_python as helm
import yaml


def main():
    verb, *rest = sys.argv[1:]
    if verb == "version":
        print(helm.helm_sdk_version())
        return 0
    chart, path = rest
    with open(path, encoding="utf-8") as file:
        values = yaml.safe_load(file)
    if verb == "lint":
        report = helm.lint(chart, values, strict=True)
        for message in report["messages"]:
            print(message["path"], message["error"])
        bad = [message for message in report["messages"] if message["severity"] >= 2]
        return 1 if bad or report["errors"] else 0
    with helm.Chart.load(chart) as loaded:
        loaded.validate_schema(values)
        for name, text in sorted(loaded.render(values, name="edge", namespace="default").items()):
            if not name.endswith("NOTES.txt") and text.strip():
                print(f"---\n# Source: {name}\n{text}")
    return 0


sys.exit(main())
