/* Includes CDK_TEMPLATE once for each level, after the level's vectors. See kernels/levels.h. */
#include "kernels/vec_plain.h"

#include CDK_TEMPLATE

#ifdef CD_HAVE_X86_TARGETS
#include "kernels/vec_avx2.h"

#include CDK_TEMPLATE
#ifdef CDK_WITH_AVX512
#include "kernels/vec_avx512.h"

#include CDK_TEMPLATE
#endif
#endif

#ifdef CD_HAVE_NEON
#include "kernels/vec_neon.h"

#include CDK_TEMPLATE
#endif

#undef CDK_TEMPLATE
#undef CDK_WITH_AVX512
