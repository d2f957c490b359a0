"""Networks on data: a regression problem, its training, and estimators for scikit-learn."""
