/* What gc() leaves: after a full collection that a user asks for, the memory that waits in the pool goes back
 * to the system, so that the process holds little more than the tensors that are alive. Collections that R or
 * this package begins give nothing back: what was freed is needed again soon, and touching memory for the
 * first time is dear. */
#ifndef CANDELA_R_GIVE_BACK_H
#define CANDELA_R_GIVE_BACK_H

/* Once, at load. */
void cdr_give_back_init(void);

/* To be called now and then outside of finalizers: makes sure that the next collection is noticed. Phase 1
 * only. */
void cdr_give_back_resume(void);

#endif
