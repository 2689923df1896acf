"""KuaiRand-Pure as logs of the contract, with a cross-fitted heavyweight teacher."""
