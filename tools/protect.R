# Reads src/r by the rules of rchk: an R object that has just been made is protected before anything may collect
# garbage, two such objects are not arguments of one call, and each way out of a function takes off the stack what it
# put there.
#
#     Rscript tools/protect.R
#
# What may collect follows from what R's functions do and from who calls whom. Prints each place that breaks a rule, and
# one line that counts; exit status 1 if there are any. Assignments in conditions are not followed.
files <- list.files("src/r", "[.]c$", full.names = TRUE)

# Of R's interface: what may collect and gives a new object; what may collect and gives one that something holds, or
# none; what does not come back.
fresh_of_r <- c("Rf_allocVector", "Rf_allocMatrix", "Rf_allocArray", "Rf_allocList", "Rf_allocLang", "Rf_cons",
  "Rf_lcons", "Rf_mkChar", "Rf_mkCharCE", "Rf_mkCharLen", "Rf_mkCharLenCE", "Rf_mkString", "Rf_ScalarReal",
  "Rf_ScalarInteger", "Rf_ScalarLogical", "Rf_ScalarString", "Rf_ScalarRaw", "Rf_lang1", "Rf_lang2", "Rf_lang3",
  "Rf_lang4", "Rf_lang5",
  "Rf_list1", "Rf_list2", "Rf_list3", "Rf_list4", "Rf_duplicate", "Rf_shallow_duplicate", "Rf_coerceVector", "Rf_eval",
  "R_tryEval", "R_tryEvalSilent", "R_MakeExternalPtr", "R_MakeWeakRef", "R_new_altrep", "Rf_asChar", "R_NewEnv",
  "R_ParseEvalString", "R_tryCatch", "R_mkClosure")
may_collect_of_r <- c(fresh_of_r, "Rf_install", "Rf_setAttrib", "Rf_defineVar", "Rf_findVar", "Rf_findFun",
  "SHALLOW_DUPLICATE_ATTRIB", "DUPLICATE_ATTRIB", "R_PreserveObject", "R_RegisterCFinalizerEx", "R_gc",
  "R_ToplevelExec",
  "R_CheckUserInterrupt", "Rf_translateChar", "R_alloc", "Rf_error", "R_UnwindProtect", "Rf_classgets", "Rf_namesgets",
  "Rf_inherits", "Rf_warning")
no_return <- c("Rf_error", "cdr_stop", "cdr_raise", "R_ContinueUnwind")

without_comments <- function(text) {
  text <- gsub("/\\*.*?\\*/", "", text, perl = TRUE)
  text <- gsub("//[^\n]*", "", text)
  gsub("\"(\\\\.|[^\"\\\\])*\"", "\"\"", text, perl = TRUE)
}

# The functions of a file: name, body, line of the body's brace, and whether it gives an object.
functions_in <- function(file) {
  text <- paste(readLines(file), collapse = "\n")
  # Comments become as many line ends as they have, so that lines can be named.
  pieces <- gregexpr("(?s)/\\*.*?\\*/", text, perl = TRUE)
  regmatches(text, pieces) <- lapply(regmatches(text, pieces), function(x) gsub("[^\n]", "", x))
  text <- without_comments(text)
  head_of_function <- paste0("(?m)^(static |attribute_visible )*[A-Za-z_][A-Za-z0-9_ \\*]*?\\**([a-z_A-Z0-9]+)",
    "\\(([^;{}]|\n)*?\\)\n\\{")
  heads <- gregexpr(head_of_function, text, perl = TRUE)[[1]]
  if (heads[[1]] == -1) return(NULL)
  lapply(seq_along(heads), function(i) {
    start <- heads[[i]]
    head <- substr(text, start, start + attr(heads, "match.length")[[i]] - 1)
    open <- start + nchar(head) - 1
    rest <- strsplit(substr(text, open, nchar(text)), "")[[1]]
    depth <- cumsum((rest == "{") - (rest == "}"))
    end <- which(depth == 0)[[1]]
    name <- sub("(?s)^.*?([A-Za-z_0-9]+)\\(.*$", "\\1", head, perl = TRUE)
    list(name = name, body = paste(rest[seq_len(end)], collapse = ""), file = file,
      gives = grepl("^(static |attribute_visible )*SEXP [a-zA-Z_0-9]+\\(", head),
      line = lengths(regmatches(substr(text, 1, open), gregexpr("\n", substr(text, 1, open)))) + 1)
  })
}

all <- unlist(lapply(files, functions_in), recursive = FALSE)
names(all) <- vapply(all, `[[`, "", "name")
called_in <- function(text) unique(regmatches(text, gregexpr("[A-Za-z_][A-Za-z_0-9]*(?=\\()", text, perl = TRUE))[[1]])
calls <- lapply(all, function(f) called_in(f$body))

# Functions of the engine call R only through what the glue registered: these may collect.
may_collect <- c(may_collect_of_r, "cd_tensor_will_change", "cd_interrupt_check", "cd_apply_in_place", "cd_backward")
repeat {
  more <- names(all)[vapply(calls, function(called) any(called %in% may_collect), NA)]
  if (all(more %in% may_collect)) break
  may_collect <- union(may_collect, more)
}
# A function gives a new object where what it returns was made in it, or by one that does.
fresh <- fresh_of_r
repeat {
  more <- names(all)[vapply(all, function(f) f$gives && any(called_in(f$body) %in% fresh), NA)]
  if (all(more %in% fresh)) break
  fresh <- union(fresh, more)
}

pattern_of <- function(names) sprintf("\\b(%s)\\(", paste(names, collapse = "|"))
collects <- pattern_of(may_collect)
makes <- pattern_of(fresh)

# Statements with the depth of their block, and the line.
statements <- function(f) {
  chars <- strsplit(f$body, "")[[1]]
  at <- cumsum(chars == "\n")
  depth <- cumsum((chars == "{") - (chars == "}"))
  parens <- cumsum((chars == "(") - (chars == ")"))
  ends <- which((chars == ";" & parens == 0) | chars %in% c("{", "}"))
  starts <- c(1, utils::head(ends, -1) + 1)
  data.frame(text = trimws(gsub("\\s+", " ", mapply(function(a, b) paste(chars[a:b], collapse = ""), starts, ends))),
    depth = depth[ends], line = f$line + at[ends], stringsAsFactors = FALSE)
}

places <- character()
complain <- function(f, line, what) places <<- c(places, sprintf("%s:%d: %s(): %s", f$file, line, f$name, what))

check_balance <- function(f, s) {
  count <- 0
  saved <- numeric()
  ends <- FALSE # the block that is closing ended with a way out
  for (i in seq_len(nrow(s))) {
    text <- s$text[[i]]
    count <- count + lengths(regmatches(text, gregexpr("\\bPROTECT\\(", text)))
    off <- regmatches(text, gregexpr("\\bUNPROTECT\\(([0-9]+)\\)", text))[[1]]
    count <- count - sum(as.numeric(gsub("\\D", "", off)))
    if (grepl("\\{$", text)) saved <- c(saved, count)
    leaves <- grepl("\\breturn\\b", text)
    if (leaves && count != 0 && !grepl("UNPROTECT\\([a-z]", f$body)) {
      complain(f, s$line[[i]], sprintf("%g objects stay on the stack of protected ones at a return", count))
    }
    if (grepl("^(if|else).*\\) return\\b", text) && !grepl("\\{", text)) leaves <- FALSE
    if (grepl("^\\}", text) || text == "}") {
      if (ends && length(saved) > 0) count <- saved[[length(saved)]]
      saved <- utils::head(saved, -1)
    }
    ends <- leaves || grepl(pattern_of(no_return), text) || grepl("^(break|continue);", text)
  }
}

# What makes something hold its argument.
keepers <- c("PROTECT", "R_PreserveObject", "SET_VECTOR_ELT", "SET_STRING_ELT", "Rf_setAttrib", "SETCAR", "SETCDR",
  "SET_TAG", "R_SetExternalPtrProtected")

check_unprotected <- function(f, s) {
  assigned <- sprintf("(?:^|[ {])(?:SEXP )?\\*?([a-z_A-Z0-9]+) = (%s)\\(", paste(fresh, collapse = "|"))
  made <- regmatches(s$text, regexec(assigned, s$text, perl = TRUE))
  for (i in which(lengths(made) > 0)) {
    name <- made[[i]][[2]]
    if (!grepl(sprintf("\\bSEXP (\\w+ = [^;]*, )?%s\\b", name), f$body)) next
    used <- grep(sprintf("\\b%s\\b", name), s$text)
    used <- used[used > i]
    if (length(used) == 0) next
    protected <- grep(sprintf("(%s)\\([^;]*\\b%s\\b", paste(keepers, collapse = "|"), name), s$text)
    protected <- protected[protected > i]
    last <- s$text[[max(used)]]
    taken_over <- grepl(sprintf("=[^=].*\\b%s\\b|return", name), last)
    until <- if (length(protected) > 0) min(protected) - 1 else max(used) - !taken_over
    between <- seq_len(nrow(s)) > i & seq_len(nrow(s)) <= until
    bad <- which(between & grepl(collects, s$text) & !grepl("^\\}? ?return ", s$text))
    if (length(bad) == 0) next
    complain(f, s$line[[bad[[1]]]], sprintf("`%s` is not protected while '%s' may collect", name, s$text[[bad[[1]]]]))
  }
}

check_arguments <- function(f, s) {
  for (i in seq_len(nrow(s))) {
    text <- gsub("PROTECT\\((?:[^()]|\\((?:[^()]|\\([^()]*\\))*\\))*\\)", "held", s$text[[i]], perl = TRUE)
    inner <- regmatches(text, gregexpr(makes, text))[[1]]
    nested <- grepl(sprintf("\\b[A-Za-z_0-9]+\\([^;]*(%s)\\([^()]*\\), [^;]*(%s)\\(", paste(fresh, collapse = "|"),
      paste(setdiff(may_collect, "Rf_install"), collapse = "|")), text)
    if (length(inner) > 1 && nested) complain(f, s$line[[i]], sprintf("two new objects in '%s'", s$text[[i]]))
  }
}

for (f in all) {
  s <- statements(f)
  check_balance(f, s)
  check_unprotected(f, s)
  check_arguments(f, s)
}
writeLines(unique(places))
cat(sprintf("R objects are protected where R may collect\t%d\t%d\tfunctions of src/r, by rchk's rules\n", length(all),
  length(unique(places))))
quit(status = as.integer(length(places) > 0))
