"""Helpers for parameters, gradients and weights."""

from jitgrad.nn.utils import parametrizations as parametrizations
from jitgrad.nn.utils import parametrize as parametrize
from jitgrad.nn.utils import rnn as rnn
from jitgrad.nn.utils import stateless as stateless
from jitgrad.nn.utils.clip_grad import clip_grad_norm_ as clip_grad_norm_
from jitgrad.nn.utils.clip_grad import clip_grad_value_ as clip_grad_value_
from jitgrad.nn.utils.clip_grad import clip_grads_with_norm_ as clip_grads_with_norm_
from jitgrad.nn.utils.clip_grad import get_total_norm as get_total_norm
from jitgrad.nn.utils.convert_parameters import parameters_to_vector as parameters_to_vector
from jitgrad.nn.utils.convert_parameters import vector_to_parameters as vector_to_parameters
from jitgrad.nn.utils.init import skip_init as skip_init
from jitgrad.nn.utils.spectral_norm import remove_spectral_norm as remove_spectral_norm
from jitgrad.nn.utils.spectral_norm import spectral_norm as spectral_norm
from jitgrad.nn.utils.weight_norm import remove_weight_norm as remove_weight_norm
from jitgrad.nn.utils.weight_norm import weight_norm as weight_norm
