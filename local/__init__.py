"""AWS on this machine: API Gateway, Lambda and SQS's event sources around any SAM template."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
