/* Status codes and error text: how every engine function reports failure.
 *
 * An engine function returns CD_OK or another cd_status and, in the latter case, has written a message into
 * the cd_error it was given. It never prints, never exits and never calls R. The message is a sentence for
 * the user: operator, what it got (shapes as [N, C, H, W]), what it wanted, and what to do.
 */
#ifndef CANDELA_BASE_STATUS_H
#define CANDELA_BASE_STATUS_H

typedef enum {
    CD_OK = 0,
    CD_ESHAPE,     /* shapes do not fit */
    CD_EDTYPE,     /* dtype not accepted here */
    CD_EVALUE,     /* an argument's value is outside its range */
    CD_EINDEX,     /* an index is out of bounds */
    CD_EALLOC,     /* memory could not be had */
    CD_EFORMAT,    /* a file is damaged or of another format */
    CD_EIO,        /* a file cannot be opened, read or written */
    CD_EINTERRUPT, /* the user asked to stop */
    CD_EAUTOGRAD,  /* a gradient cannot be computed */
    CD_EINTERNAL   /* a bug of ours */
} cd_status;

#define CD_ERROR_LENGTH 1024

typedef struct cd_error {
    cd_status code;
    char message[CD_ERROR_LENGTH];
} cd_error;

#if defined(__GNUC__) || defined(__clang__)
#define CD_PRINTF(format_at, args_at) __attribute__((format(printf, format_at, args_at)))
#else
#define CD_PRINTF(format_at, args_at)
#endif

/* Writes code and the formatted message into err (may be NULL) and returns code. */
cd_status cd_fail(cd_error *err, cd_status code, const char *format, ...) CD_PRINTF(3, 4);

/* Short class word of a status ("shape", "value", ...), the suffix of the R condition's class. */
const char *cd_status_name(cd_status code);

/* Returns the failing status from the calling function. */
#define CD_TRY(expression)                       \
    do {                                         \
        cd_status cd_try_status_ = (expression); \
        if (cd_try_status_ != CD_OK) {           \
            return cd_try_status_;               \
        }                                        \
    } while (0)

#endif
