"""AWS on this machine: API Gateway, Lambda and SQS's event sources around any SAM template."""
