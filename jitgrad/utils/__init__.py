"""What training needs around a model."""

from jitgrad.utils import data as data
