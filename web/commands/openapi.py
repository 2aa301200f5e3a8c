"""``rendertrust openapi``: prints the OpenAPI document, for generators and diffs."""

import click


@click.command
def openapi() -> None:
    """Print the OpenAPI 3.1 document."""
    from web.openapi.description import Description
    from web.routes import OPERATIONS

    click.echo(Description(OPERATIONS).document().body)
