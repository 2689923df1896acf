"""KuaiRand-Pure as logs of the contract, with teachers that are fitted day by day."""
