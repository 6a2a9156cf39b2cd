"""What chunk7 adds to Locust's web UI: its form, the Delivery tab, charts, CSV, the HTML report.

May import: delivery, wire, locust, and of loadtest what is not a user. docs/web-ui.md says how
Locust is hooked, and on what of it that relies.
"""
