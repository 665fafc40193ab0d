"""The YAML file as frozen typed models; an error names file, line, key and what would be right."""
