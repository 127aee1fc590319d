# brevet: the customer's side, for Terraform. README.md says how to use it.
#
# Customer: @customer@. Contract: @contract@.

terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}
