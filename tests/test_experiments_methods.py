"""The results of the study of methods say what is so: in a world where PVI knows who gains from whom, and in one of noise."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_experiments import load

from cotrain.affinity.affinity import Affinity
from cotrain.affinity.losses import singles_and_pairs
from cotrain.pvi.finetune import score
from cotrain.study import data, methods, steps
from cotrain.study.spec import read
from cotrain.study.study import Study
from cotrain.training import ledger
from cotrain.training.fit import Block, Fit
from cotrain.training.group import Group
