"""Leases: which process answers for which controller of a pool."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "leases",
        sa.Column("member", sa.Text, primary_key=True),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("beats", sa.BigInteger, nullable=False),
    )
