# Conversion of tensors to another dtype.

cast <- function(self, dtype, copy = FALSE) {
  code <- as_dtype_code(dtype, .Call(cdr_dtype, self))
  if (code != .Call(cdr_dtype, self)) {
    return(apply_op(ops$to_dtype, list(self), as.double(code)))
  }
  if (copy) torch_clone(self) else self
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
  cast(self, if (is.null(dtype) && is_tensor(other)) other$dtype else dtype, copy)
})

tensor_method("type_as", function(other) cast(self, other$dtype))
tensor_method("float", function() cast(self, torch_float()))
tensor_method("double", function() cast(self, torch_double()))
tensor_method("byte", function() cast(self, torch_uint8()))
tensor_method("long", function() cast(self, torch_long()))
tensor_method("int", function() cast(self, torch_int()))
tensor_method("bool", function() cast(self, torch_bool()))
