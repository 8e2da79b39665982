"""Reports for people: tables, plots, animations and pages."""
