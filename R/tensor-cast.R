# Conversion of tensors to another dtype.

cast <- function(self, dtype, copy = FALSE, memory_format = NULL) {
  code <- as_dtype_code(dtype, .Call(cdr_dtype, self))
  format <- as_format_code(memory_format)
  if (code != .Call(cdr_dtype, self)) {
    return(apply_op(ops$to_dtype, list(self), c(code, format)))
  }
  if (copy) {
    return(apply_op(ops$clone, list(self), format))
  }
  if (format == torch_preserve_format()$code) self else in_format(self, format)
}

# dtype may also be a tensor, whose dtype is taken, or a device, as the peers allow.
tensor_method("to", function(dtype = NULL, device = NULL, other = NULL, non_blocking = FALSE, copy = FALSE,
                             memory_format = NULL) {
  if (is_torch_device(dtype) || (is.character(dtype) && sub(":.*", "", dtype) %in% c("cpu", "cuda", "mps"))) {
    device <- dtype
    dtype <- NULL
  }
  if (is_tensor(dtype)) {
    other <- dtype
    dtype <- NULL
  }
  check_device(device)
  cast(self, if (is.null(dtype) && is_tensor(other)) other$dtype else dtype, copy, memory_format)
})

tensor_method("type_as", function(other) cast(self, other$dtype))
tensor_method("float", function() cast(self, torch_float()))
tensor_method("double", function() cast(self, torch_double()))
tensor_method("byte", function() cast(self, torch_uint8()))
tensor_method("long", function() cast(self, torch_long()))
tensor_method("int", function() cast(self, torch_int()))
tensor_method("bool", function() cast(self, torch_bool()))
tensor_method("half", function() cast(self, torch_half()))
tensor_method("bfloat16", function() cast(self, torch_bfloat16()))
tensor_method("short", function() cast(self, torch_short()))
tensor_method("char", function() cast(self, torch_int8()))
