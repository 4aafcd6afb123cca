# What arguments may be, said once: by their names, for all functions and classes of the package.
#
# A contract is a kind of argument: a quick test that holds for almost every call, and a function that is called where
# it does not. That one converts what can be converted (arrays to tensors, tensors of one element to numbers) or
# refuses it with an error that names the argument, what it got and what it wanted. When the package is built,
# apply_contracts() puts the tests of its arguments in front of the body of each function in `contracts`, so none of
# them has to say them itself, and a new function is covered when the names of its arguments are known here.

# ---- kinds: `holds` is an expression of x ----

contract_kind <- function(holds, otherwise) list(holds = holds, otherwise = otherwise)

# `x` as a tensor. Numbers take the dtype of the float tensor they meet among `...`, or become floats where they meet
# doubles of R's; others are what torch_tensor() makes of them.
as_tensor <- function(x, name, ...) {
  if (is_tensor(x)) {
    return(x)
  }
  if (!is.atomic(x) || is.null(x) || is.character(x) || is.complex(x) || is.factor(x)) {
    refuse(x, name, "a tensor, or numbers or logical values for one", hint_for_lists(x))
  }
  torch_tensor(x, dtype = if (is.numeric(x) && !inherits(x, "integer64")) float_met(list(...)))
}

# The float dtype that numbers take beside `others`; NULL where these are no floats.
float_met <- function(others) {
  tensors <- Filter(function(other) is_tensor(other) && is_float(other), others)
  if (length(tensors) > 0) {
    codes <- vapply(tensors, function(tensor) .Call(cdr_dtype, tensor), 0L)
    return(Reduce(torch_promote_types, lapply(unique(codes), new_dtype)))
  }
  if (any(vapply(others, function(other) is.double(other) && !is.object(other), NA))) torch_float()
}

# A list of tensors, which meet one another; `x` may also be one tensor or array.
as_tensors <- function(x, name) {
  if (is_tensor(x) || !is.list(x) || is.data.frame(x)) {
    return(list(as_tensor(x, name)))
  }
  dtype_of <- Filter(is_tensor, x)
  lapply(x, function(element) do.call(as_tensor, c(list(element, name), dtype_of)))
}

# Whole numbers in R's type for them may be classes.
as_target <- function(x, name, ...) if (is.integer(x)) as_tensor(x, name) else as_tensor(x, name, ...)

# A number stays one: with a tensor it gives the dtype of the tensor.
as_operand <- function(x, name, ...) {
  if (is_scalar_operand(x) && !is.character(x)) x else as_tensor(x, name, ...)
}

as_index <- function(x, name) {
  whole <- is.numeric(x) && !anyNA(x) && all(x == floor(x))
  if (!whole && !is.logical(x)) refuse(x, name, "a Long tensor or whole numbers, counted from 1")
  index_tensor(x)
}

as_flag <- function(x, name) {
  if (is_tensor(x) && length(x) == 1) x <- as.vector(as_array(x))
  if (!is_one_number(x, 0, 1) || x != floor(x)) {
    check_flag(x, name)
  }
  as.logical(x)
}

number_from <- function(x, name, wanted, ok) {
  if (is_tensor(x) && length(x) == 1) x <- as.vector(as_array(x))
  if (is.logical(x) && length(x) == 1 && !is.na(x)) x <- as.integer(x)
  if (!is_one_number(x) || !ok(x)) refuse(x, name, wanted, hint_to_call_loss(x))
  x
}

a_number <- function(x, name) number_from(x, name, "a single number", function(x) TRUE)

a_whole_number <- function(x, name) number_from(x, name, "a whole number", function(x) x == floor(x))

a_count <- function(x, name) {
  number_from(x, name, "a whole number of at least 0", function(x) x == floor(x) && x >= 0 && is.finite(x))
}

several_numbers <- function(x, name) {
  if (is.list(x)) x <- unlist(x)
  if (is_tensor(x)) x <- as.vector(as_array(x))
  if (!is.numeric(x) || length(x) == 0 || anyNA(x)) refuse(x, name, "one or more numbers")
  x
}

a_dim <- function(x, name) {
  number_from(x, name, "a whole number",
    function(x) x == floor(x) && is.finite(x))
}

some_dims <- function(x, name) {
  if (is_tensor(x)) x <- as.vector(as_array(x))
  if (is.list(x)) x <- unlist(x)
  if (!is.null(x) && (!is.numeric(x) || anyNA(x) || any(x != floor(x)) || any(is.infinite(x)))) {
    refuse(x, name, "a whole number")
  }
  x
}

a_choice <- function(x, name) refuse(x, name, "a string", hint_to_call_loss(x))

one_or_more_paths <- function(x, name) refuse(x, name, "one or more paths of files")

an_environment <- function(x, name) refuse(x, name, "an environment")

a_list_of_members <- function(x, name) {
  if (!is.null(x)) refuse(x, name, "NULL or a list whose elements have names")
}

some_functions <- function(x, name) refuse(x, name, "a function, or a list of functions")

a_function <- function(x, name) refuse(x, name, "a function")

a_dtype <- function(x, name) {
  as_dtype_code(x)
  x
}

a_device <- function(x, name) {
  check_device(x)
  x
}

tensor_kinds <- c("tensor", "target", "operand")

contract_kinds <- list(
  tensor = contract_kind(quote(inherits(x, "candela_tensor")), quote(as_tensor)),
  own = contract_kind(quote(inherits(x, "candela_tensor")), quote(as_tensor)), # a tensor that follows no other
  tensors = contract_kind(quote(.Call(cdr_are_tensors, x)), quote(as_tensors)),
  target = contract_kind(quote(inherits(x, "candela_tensor")), quote(as_target)),
  operand = contract_kind(
    quote(inherits(x, "candela_tensor") || (is.numeric(x) && length(x) == 1L && is.null(attributes(x)))),
    quote(as_operand)
  ),
  index = contract_kind(quote(inherits(x, "candela_tensor")), quote(as_index)),
  flag = contract_kind(quote(is.logical(x) && length(x) == 1L && !is.na(x)), quote(as_flag)),
  number = contract_kind(quote(is.numeric(x) && length(x) == 1L && !is.na(x)), quote(a_number)),
  whole = contract_kind(quote(is.numeric(x) && length(x) == 1L && !is.na(x) && x == floor(x)), quote(a_whole_number)),
  count = contract_kind(quote(is.integer(x) && length(x) == 1L && !is.na(x) && x >= 0L), quote(a_count)),
  numbers = contract_kind(quote(is.numeric(x) && length(x) > 0L && !anyNA(x)), quote(several_numbers)),
  dim = contract_kind(quote(is.numeric(x) && length(x) == 1L && !is.na(x) && x == floor(x)), quote(a_dim)),
  dims = contract_kind(quote(is.numeric(x) && length(x) == 1L && !is.na(x) && x == floor(x)), quote(some_dims)),
  string = contract_kind(quote(is.character(x) && length(x) > 0L && !is.na(x[[1L]])), quote(a_choice)),
  dtype = contract_kind(quote(inherits(x, "torch_dtype")), quote(a_dtype)),
  device = contract_kind(quote(inherits(x, "torch_device")), quote(a_device)),
  path = contract_kind(quote(is.character(x) && length(x) == 1L && !is.na(x)), quote(check_string)),
  paths = contract_kind(quote(is.character(x) && !anyNA(x)), quote(one_or_more_paths)),
  environment = contract_kind(quote(is.environment(x)), quote(an_environment)),
  members = contract_kind(quote(is.list(x) && length(names(x)) == length(x)), quote(a_list_of_members)),
  `function` = contract_kind(quote(is.function(x)), quote(a_function)),
  functions = contract_kind(
    quote(is.function(x) || (is.list(x) && length(x) > 0L && all(vapply(x, is.function, NA)))), quote(some_functions)
  )
)

# ---- which argument is of which kind ----

# In functions of tensors, torch_* and nnf_*, and in methods of tensors. Sizes of windows are not here: they are
# checked where the number of dimensions is known (per_dimension() in arguments.R).
function_contracts <- c(
  self = "tensor", input = "tensor", tensor = "tensor", target = "target", weight = "tensor", bias = "tensor",
  input1 = "tensor", x1 = "tensor", x2 = "tensor", anchor = "tensor", positive = "tensor",
  negative = "tensor", grid = "tensor", theta = "tensor", mat1 = "tensor", mat2 = "tensor", vec = "tensor",
  vec2 = "tensor", running_mean = "tensor", running_var = "tensor", pos_weight = "tensor", mask = "tensor",
  condition = "tensor", source = "tensor", query = "tensor", key = "tensor", mat = "tensor", vec1 = "tensor",
  A = "tensor", B = "tensor", tau = "tensor", input2 = "tensor", input3 = "tensor",
  tensor1 = "tensor", tensor2 = "tensor", batch1 = "tensor", batch2 = "tensor",
  index = "index", other = "operand", exponent = "operand", tensors = "tensors",
  keepdim = "flag", descending = "flag", unbiased = "flag", largest = "flag", sorted = "flag", stable = "flag",
  as_list = "flag", equal_nan = "flag", ceil_mode = "flag", count_include_pad = "flag", return_indices = "flag",
  inplace = "flag", training = "flag", log_input = "flag", full = "flag", swap = "flag", use_input_stats = "flag",
  replacement = "flag", align_corners = "flag", recompute_scale_factor = "flag", requires_grad = "flag",
  log_target = "flag",
  dim = "dims", dims = "dims", dim0 = "dim", dim1 = "dim", dim2 = "dim", start_dim = "dim", end_dim = "dim",
  alpha = "number", beta = "number", eps = "number", margin = "number", delta = "number", rtol = "number",
  atol = "number", negative_slope = "number", min_val = "number", max_val = "number", threshold = "number",
  label_smoothing = "number", momentum = "number", p = "number", lambd = "number",
  offset = "whole", diagonal = "whole", decimals = "whole", ignore_index = "whole", num_classes = "whole",
  num_samples = "count", minlength = "count", groups = "count", num_groups = "count", k = "count",
  upscale_factor = "count", steps = "count", n = "count", m = "count",
  normalized_shape = "numbers", shifts = "numbers", scale_factor = "numbers",
  divisor_override = "number", low = "number", high = "number", step = "number", base = "number",
  reduction = "string", mode = "string", padding_mode = "string", approximate = "string", indexing = "string",
  rounding_mode = "string", equation = "string",
  dtype = "dtype", device = "device"
)

# In functions of any other name.
other_contracts <- c(
  inplace = "flag", download = "flag", vertical_flip = "flag", expand = "flag", pad_if_needed = "flag",
  progress = "flag", deep = "flag", replace_values = "flag", create_graph = "flag", retain_graph = "flag",
  allow_unused = "flag",
  p = "number", num_output_channels = "whole", distortion_scale = "number",
  brightness_factor = "number", contrast_factor = "number", saturation_factor = "number", hue_factor = "number",
  gamma = "number", gain = "number", mean = "numbers", std = "numbers", a = "number", b = "number",
  groups = "count", dtype = "dtype", value = "numbers", start = "number", end = "number",
  missing = "string", classname = "string or NULL", name = "string or NULL",
  num_rows = "whole", pad_value = "number", val = "number", sparsity = "number",
  nonlinearity = "string", padding_mode = "string", target_type = "string",
  transforms = "functions", ratio = "numbers", path = "path", root = "path", paths = "paths",
  .env = "environment", parent_env = "environment", active = "members", private = "members"
)

# In the constructors of classes: layers, optimisers, schedules, callbacks, metrics.
class_contracts <- c(
  affine = "flag", track_running_stats = "flag", elementwise_affine = "flag", inplace = "flag", ceil_mode = "flag",
  count_include_pad = "flag", return_indices = "flag", log_input = "flag", full = "flag", swap = "flag",
  amsgrad = "flag", nesterov = "flag", centered = "flag", cycle_momentum = "flag", from_logits = "flag",
  scale_grad_by_freq = "flag", sparse = "flag", bias = "flag", save_best_only = "flag", histograms = "flag",
  eps = "number", momentum = "number or NULL", negative_slope = "number", alpha = "number", beta = "number",
  margin = "number", threshold = "number", min_val = "number", max_val = "number", label_smoothing = "number",
  delta = "number", norm_type = "number", dampening = "number", rho = "number",
  num_features = "count", num_groups = "count", num_channels = "count", num_embeddings = "count",
  embedding_dim = "count", padding_idx = "whole", upscale_factor = "count", ignore_index = "whole",
  start_dim = "dim", end_dim = "dim", dim = "dims", normalized_shape = "numbers", T_max = "number",
  step_size = "number", last_epoch = "whole", patience = "number", cooldown = "number", factor = "number",
  reduction = "string", padding_mode = "string", approximate = "string", anneal_strategy = "string",
  threshold_mode = "string", lr_lambda = "functions", lr_scheduler = "function",
  indices = "numbers",
  deep_supervision = "flag", decoder_join_input = "flag",
  decoder_aspp_separable = "flag", decoder_dropout = "number", psp_dropout = "number", decoder_aspp_dropout = "number"
)

# Where a function means something else by a name: NULL is no contract.
special_contracts <- list(
  torch_select_scatter = c(dim = "dim", index = "whole"), torch_slice = c(dim = "dim"),
  torch_slice_scatter = c(dim = "dim"), torch_scatter_reduce = c(dim = "dim"), torch_index_reduce = c(dim = "dim"),
  torch_softmax = c(dim = "dim"), torch_log_softmax = c(dim = "dim"), nnf_softmax = c(dim = "dim"),
  nnf_log_softmax = c(dim = "dim"), torch_unsqueeze = c(dim = "dim"), torch_sort = c(dim = "dim"),
  torch_argsort = c(dim = "dim"), torch_topk = c(dim = "dim"), torch_cumsum = c(dim = "dim"),
  torch_cumprod = c(dim = "dim"), torch_gather = c(dim = "dim"),
  torch_index_add = c(dim = "dim"), torch_index_select = c(dim = "dim"),
  torch_narrow = c(dim = "dim", start = "whole", length = "count"), torch_select = c(dim = "dim", index = "whole"),
  torch_argmax = c(dim = "dim"), torch_argmin = c(dim = "dim"), torch_median = c(dim = "dim"),
  torch_split = c(dim = "dim", split_size = "numbers"),
  torch_chunk = c(dim = "dim", chunks = "count"), torch_unbind = c(dim = "dim"),
  torch_repeat_interleave = c(dim = "dim"), torch_prod = c(dim = "dim"),
  torch_max = c(dim = NA), torch_min = c(dim = NA), torch_tensordot = c(a = "tensor", b = "tensor", dims = NA),
  torch_movedim = c(source = "dims", destination = "dims"), torch_norm = c(p = "number"),
  torch_arange = c(start = "number", end = "number", step = "number"),
  torch_linspace = c(start = "number", end = "number"),
  torch_logspace = c(start = "number", end = "number"), torch_bernoulli = c(p = NA),
  torch_where = c(self = "operand"), torch_matmul = c(other = "tensor"), torch_equal = c(other = "tensor"),
  torch_view_as = c(other = "tensor"), torch_reshape_as = c(other = "tensor"), torch_expand_as = c(other = "tensor"),
  torch_type_as = c(other = "own"), torch_isclose = c(other = "tensor"), torch_allclose = c(other = "tensor"),
  torch_scatter = c(dim = "dim", src = "operand", value = "operand"),
  torch_scatter_add = c(dim = "dim", src = "tensor"),
  nnf_dropout = c(p = NA), nnf_dropout2d = c(p = NA), torch_lerp = c(end = "tensor", weight = "operand"),
  torch_device = c(index = NA), torch_to = c(dtype = NA, device = NA, other = NA),
  torch_tensor = c(requires_grad = "flag"), torch_addmm = c(alpha = "number", beta = "number"),
  torch_add = c(self = NA), torch_sub = c(self = NA), torch_cat = c(dim = "dim", tensors = NA),
  torch_clamp_min = c(min = NA), torch_sum_to_size = c(size = "numbers"), torch_mvlgamma = c(p = "count"),
  torch_heaviside = c(values = "operand"), torch_outer = c(vec2 = "tensor"), torch_result_type = c(tensor2 = "operand"),
  torch_cdist = c(p = "number"), torch_masked_scatter = c(source = "tensor"),
  torch_kron = c(other = "tensor"), torch_cross = c(other = "tensor", dim = "dim"), torch_vdot = c(other = "tensor"),
  torch_inner = c(other = "tensor"), torch_dist = c(other = "tensor"), torch_vander = c(x = "tensor"),
  torch_index_put = c(values = NA), torch_quantile = c(dim = "dim"), torch_nanquantile = c(dim = "dim"),
  torch_histc = c(bins = "count", min = "number", max = "number"), torch_cummax = c(dim = "dim"),
  torch_cummin = c(dim = "dim"), torch_logcumsumexp = c(dim = "dim"), torch_kthvalue = c(dim = "dim", k = "number"),
  torch_mode = c(dim = "dim"), torch_searchsorted = c(self = NA), torch_index_copy = c(dim = "dim", source = "tensor"),
  torch_index_fill = c(dim = "dim"), torch_take_along_dim = c(dim = "dim"),
  torch_moveaxis = c(source = "dims", destination = "dims"),
  torch_rot90 = c(k = "whole"), linalg_matrix_power = c(n = "whole"), torch_matrix_power = c(n = "whole"),
  linalg_solve_triangular = c(upper = "flag"), torch_renorm = c(dim = "dim", maxnorm = "number"),
  torch_stack = c(dim = "dim", tensors = NA), torch_bincount = c(weights = "tensor"),
  torch_diff = c(dim = "dim", prepend = "tensor", append = "tensor"),
  torch_scaled_dot_product_attention = c(value = "tensor", attn_mask = "tensor"), nnf_embedding = c(input = "index"),
  nnf_embedding_bag = c(input = "index", per_sample_weights = "tensor or NULL", offsets = NA),
  nnf_multi_head_attention_forward = c(weight = NA),
  nnf_gumbel_softmax = c(tau = "number", logits = "tensor"),
  nnf_one_hot = c(tensor = "index"), torch_finfo = c(dtype = NA), torch_iinfo = c(dtype = NA),
  nnf_pad = c(pad = "numbers", value = "number"), nnf_fold = c(output_size = "numbers", padding = "numbers"),
  nnf_interpolate = c(size = "numbers"), nnf_affine_grid = c(size = "numbers"),
  nnf_batch_norm = c(running_mean = "tensor or NULL", running_var = "tensor or NULL"),
  luz_save = c(path = NA), luz_load = c(path = NA)
)

# How the names of functions begin that are called by users; the rest are the package's own.
public_prefixes <- paste0("^(transform|item_transform|nn|nn_init|nn_utils|luz|lr|local|with|autograd|image|",
  "read_image|read_label|save|load|model|vision|plot)_|",
  "^(dataset|iterable_dataset|sampler|optimizer|lr_scheduler|luz_callback|luz_metric|nn_module|",
  "slc|segmentation_dataset|synthetic_pets|drawn_cells|oxford_pet_dataset|clone_module|pretrained_weights)$")

# The names of classes that users make objects of.
public_classes <- paste0("^(nn|optim|lr|luz|dataset)_|",
  "^(unet|unet_plus_plus|manet|linknet|fpn|pspnet|deeplabv3|deeplabv3_plus)$")

# ---- putting them in front of bodies ----

kind_of <- function(argument, special, common) {
  if (argument %in% names(special)) {
    as.character(special[[argument]])
  } else if (argument %in% names(common)) {
    common[[argument]]
  } else {
    NA_character_
  }
}

# The statement that checks `argument`, NULL where nothing is known of it. `tensors`: the arguments that are tensors,
# which tell the dtype of numbers given for another.
contract_statement <- function(argument, default, kind, tensors) {
  if (is.na(kind)) {
    return(NULL)
  }
  kind_name <- sub(" or NULL", "", kind, fixed = TRUE)
  nullable <- kind_name != kind || is.null(default)
  kind <- contract_kinds[[kind_name]]
  symbol <- as.name(argument)
  call <- as.call(list(kind$otherwise, symbol, argument))
  others <- setdiff(tensors, argument)
  if (kind_name %in% tensor_kinds && length(others) > 0) call <- as.call(c(as.list(call), lapply(others, as.name)))
  fails <- call("!", call("(", do.call(substitute, list(kind$holds, list(x = symbol)))))
  if (nullable) fails <- call("&&", call("!", call("is.null", symbol)), fails)
  if (identical(default, quote(list()))) fails <- call("&&", call(">", call("length", symbol), 0L), fails)
  if (identical(default, quote(expr = ))) fails <- call("&&", call("!", call("missing", symbol)), fails)
  call("if", fails, call("<-", symbol, call))
}

# The call that is the whole of a function, and the name of what it calls; NULL where there is more.
only_call <- function(f) {
  statement <- body(f)
  if (is.call(statement) && identical(statement[[1]], quote(`{`)) && length(statement) == 2) statement <- statement[[2]]
  if (is.call(statement) && is.name(statement[[1]])) statement
}

# Whether each of `arguments` does nothing but go on, by itself or in a list, to what is called.
passed_on <- function(arguments, call) {
  lists <- Filter(function(x) is.call(x) && identical(x[[1]], quote(list)), as.list(call))
  direct <- c(as.list(call)[-1], unlist(lapply(lists, function(x) as.list(x)[-1])))
  count <- function(name, names) sum(names == name)
  as_they_are <- vapply(Filter(is.name, direct), as.character, "")
  vapply(arguments, function(name) count(name, all.names(call)) == count(name, as_they_are), NA)
}

# The engine itself takes arrays for tensors that go on to it.
taken_by_engine <- function(f) {
  call <- only_call(f)
  arguments <- names(formals(f))
  engine <- !is.null(call) && as.character(call[[1]]) %in% c("apply_op", "apply_op_", "binary_op")
  if (engine) arguments[passed_on(arguments, call)] else character()
}

# `also`: tensors that the body knows beside its arguments.
with_contract <- function(f, special = character(), common = function_contracts, also = character()) {
  # What a generic does to its arguments does not reach its methods: these have the contracts.
  if (identical(only_call(f)[[1]], quote(UseMethod))) {
    return(f)
  }
  arguments <- formals(f)
  kinds <- vapply(names(arguments), kind_of, "", special, common)
  kinds[kinds %in% tensor_kinds & names(kinds) %in% taken_by_engine(f)] <- NA
  given <- vapply(arguments, function(default) identical(default, quote(expr = )) || is.null(default), NA)
  required <- c(also, names(kinds)[kinds %in% tensor_kinds & given])
  statements <- Map(function(argument, kind) contract_statement(argument, arguments[[argument]], kind, required),
    names(arguments), kinds)
  statements <- unname(Filter(Negate(is.null), statements))
  if (length(statements) == 0) {
    return(f)
  }
  own <- attributes(f)
  body(f) <- as.call(c(as.name("{"), statements, body(f)))
  attributes(f) <- own[setdiff(names(own), "srcref")]
  f
}

# A method that is one call of a function with contracts needs none.
calls_function_only <- function(f, env) {
  call <- only_call(f)
  !is.null(call) && grepl("^torch_", call[[1]]) && !is.null(env[[as.character(call[[1]])]]) &&
    all(passed_on(names(formals(f)), call))
}

# Puts contracts into the constructor that a generator of classes calls.
constructor_contracts <- function(generator) {
  class <- attr(generator, "r6_class", exact = TRUE) %||% attr(generator, "module", exact = TRUE)
  initialize <- class$public_methods$initialize
  if (is.function(initialize)) {
    class$public_methods$initialize <- with_contract(initialize, common = class_contracts)
  }
}

# The contract of a method is that of the function of its name.
method_with_contract <- function(name, method, env) {
  if (calls_function_only(method, env)) {
    return(method)
  }
  special <- special_contracts[[paste0("torch_", sub("_$", "", name))]] %||% character()
  with_contract(method, special, also = "self")
}

apply_contracts <- function(env) {
  for (name in ls(tensor_methods)) {
    tensor_method(name, method_with_contract(name, unbound_method(tensor_methods[[name]]), env))
  }
  for (name in Filter(function(name) typeof(env[[name]]) == "closure", ls(env))) {
    f <- env[[name]]
    if (!is.null(attributes(f)) && !identical(names(attributes(f)), "srcref")) {
      if (grepl(public_classes, name)) constructor_contracts(f)
    } else if (grepl("^(torch|nnf|linalg)_", name)) {
      assign(name, with_contract(f, special_contracts[[name]] %||% character()), envir = env)
    } else if (grepl(public_prefixes, name)) {
      assign(name, with_contract(f, special_contracts[[name]] %||% character(), other_contracts), envir = env)
    }
  }
}
