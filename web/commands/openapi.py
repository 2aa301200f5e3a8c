"""``rendertrust openapi``: the API's description, for generators and diffs."""

import click


@click.command
def openapi() -> None:
    """Print the API's description (OpenAPI 3.1)."""
    from web.openapi.description import Description
    from web.routes import OPERATIONS

    click.echo(Description(OPERATIONS).document().body)
