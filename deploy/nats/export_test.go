package nats

// OrganizationTemplate is what Organizations fills in.
func OrganizationTemplate() string { return organizationTemplate }

// OrganizationsFrom is Organizations with another template.
func OrganizationsFrom(template string, all []Organization) (string, error) {
	return organizations(template, all)
}
