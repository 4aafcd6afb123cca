# Writes PyTorch's values and gradients of functions of tensors for tests/testthat/test-function-numbers.R.
#
# usage: python3 tools/function-numbers.py > tests/testthat/function-numbers.txt
#
# A line holds an expression of R, the elements of its value (row by row, several results one after the other) and the
# gradient of sum(value * cos(1, 2, ...)) with respect to the tensors it uses, in the order of their names; "-" where it
# has none. The tensors are those of inputs(), which the test makes in the same way.
import math
import torch

torch.set_default_dtype(torch.float64)
L = torch.linalg
D = torch.distributions

CASES = [
    ("torch_asinh(x)", "torch.asinh(x)"), ("torch_acosh(p + 1)", "torch.acosh(p + 1)"),
    ("torch_atanh(u)", "torch.atanh(u)"), ("torch_exp2(x)", "torch.exp2(x)"), ("torch_erfc(x)", "torch.erfc(x)"),
    ("torch_erfinv(u)", "torch.erfinv(u)"), ("torch_lgamma(x)", "torch.lgamma(x)"),
    ("torch_digamma(x)", "torch.digamma(x)"), ("torch_polygamma(1, x)", "torch.polygamma(1, x)"),
    ("torch_polygamma(2, p)", "torch.polygamma(2, p)"), ("torch_polygamma(3, x)", "torch.polygamma(3, x)"),
    ("torch_mvlgamma(p + 1, 3)", "torch.mvlgamma(p + 1, 3)"), ("torch_i0(x * 12)", "torch.i0(x * 12)"),
    ("torch_xlogy(x, p5)", "torch.xlogy(x, p5)"), ("torch_logaddexp(x, p5)", "torch.logaddexp(x, p5)"),
    ("torch_logaddexp2(x, p5)", "torch.logaddexp2(x, p5)"), ("torch_hypot(x, p5)", "torch.hypot(x, p5)"),
    ("torch_logit(u)", "torch.logit(u)"), ("torch_logit(u, 0.2)", "torch.logit(u, 0.2)"),
    ("torch_sinc(x)", "torch.sinc(x)"), ("torch_frac(x)", "torch.frac(x)"), ("torch_ldexp(x, p5)", "torch.ldexp(x, p5)"),
    ("torch_copysign(x, -p5)", "torch.copysign(x, -p5.detach())"), ("torch_deg2rad(x)", "torch.deg2rad(x)"),
    ("torch_rad2deg(x)", "torch.rad2deg(x)"), ("torch_angle(x)", "torch.angle(x.detach())"),
    ("torch_heaviside(x, p5)", "torch.heaviside(x.detach(), p5.detach())"),
    ("torch_addcmul(x, x, p5, value = 0.5)", "torch.addcmul(x, x, p5, value=0.5)"),
    ("torch_addcdiv(x, x, p5, value = 0.5)", "torch.addcdiv(x, x, p5, value=0.5)"),
    ("torch_addmv(v3, m, v3, beta = 0.5, alpha = 2)", "torch.addmv(v3, m, v3, beta=0.5, alpha=2)"),
    ("torch_addr(m, v3, v3, beta = 0.5, alpha = 2)", "torch.addr(m, v3, v3, beta=0.5, alpha=2)"),
    ("torch_baddbmm(b, b, b, beta = 0.5)", "torch.baddbmm(b, b, b, beta=0.5)"),
    ("torch_addbmm(m, b, b, alpha = 2)", "torch.addbmm(m, b, b, alpha=2)"),
    ("torch_kron(m, t)", "torch.kron(m, t)"), ("torch_cross(m, m * m, dim = 2)", "torch.cross(m, m * m, dim=1)"),
    ("torch_trace(m)", "torch.trace(m)"), ("torch_cdist(m, m + 1)", "torch.cdist(m, m + 1, compute_mode='donot_use_mm_for_euclid_dist')"),
    ("torch_cdist(m, t$t(), p = 1)", "torch.cdist(m, t.t(), p=1)"), ("torch_pdist(m)", "torch.pdist(m)"),
    ("torch_dist(m, m * m)", "torch.dist(m, m * m)"), ("torch_renorm(m, 2, 1, 1.5)", "torch.renorm(m, 2, 0, 1.5)"),
    ("torch_chain_matmul(list(m, t, t$t()))", "L.multi_dot([m, t, t.t()])"),
    ("torch_tensordot(b, m, 1)", "torch.tensordot(b, m, 1)"),
    ("torch_diag_embed(t, 1)", "torch.diag_embed(t, 1)"), ("torch_diag_embed(t, -1, 1, 2)", "torch.diag_embed(t, -1, 0, 1)"),
    ("torch_diagflat(v3, 1)", "torch.diagflat(v3, 1)"), ("torch_vander(v3)", "torch.vander(v3.detach())"),
    ("torch_combinations(p, 3)", "torch.combinations(p, 3)"),
    ("torch_combinations(p, 2, TRUE)", "torch.combinations(p, 2, True)"),
    ("torch_cartesian_prod(list(v3, p))", "torch.cartesian_prod(v3, p)"),
    ("torch_rot90(t)", "torch.rot90(t)"), ("torch_rot90(t, 3)", "torch.rot90(t, 3)"), ("torch_fliplr(t)", "torch.fliplr(t)"),
    ("torch_tril_indices(3, 4, 1)", "torch.tril_indices(3, 4, 1)"), ("torch_triu_indices(3, 4, -1)", "torch.triu_indices(3, 4, -1)"),
    ("torch_as_strided(t, c(2, 3), c(1, 2), 1)", "torch.as_strided(t, (2, 3), (1, 2), 1)"),
    ("t$unfold(2, 3, 1)", "t.unfold(1, 3, 1)"), ("torch_channel_shuffle(torch_reshape(t, c(1, 4, 3)), 2)", "torch.channel_shuffle(t.reshape(1, 4, 3, 1).detach(), 2)"),
    ("torch_quantile(t, 0.3)", "torch.quantile(t, 0.3)"), ("torch_quantile(t, c(0.1, 0.5, 0.9), dim = 2)", "torch.quantile(t, torch.tensor([0.1, 0.5, 0.9]), dim=1)"),
    ("torch_quantile(t, 0.35, 1, interpolation = 'midpoint')", "torch.quantile(t, 0.35, 0, interpolation='midpoint')"),
    ("torch_quantile(t, 0.35, 1, interpolation = 'nearest')", "torch.quantile(t, 0.35, 0, interpolation='nearest')"),
    ("torch_kthvalue(t, 2, 2)", "torch.kthvalue(t, 2, 1)"), ("torch_mode(i2, 2)", "torch.mode(i2, 1)"),
    ("torch_histc(t, 5)", "torch.histc(t.detach(), 5)"), ("torch_histc(t, 4, -1, 2)", "torch.histc(t.detach(), 4, -1, 2)"),
    ("torch_trapz(t, dim = 1)", "torch.trapz(t, dim=0)"), ("torch_trapz(p, x = u)", "torch.trapz(p, u)"),
    ("torch_cummax(t, 2)", "torch.cummax(t, 1)"), ("torch_cummin(t, 1)", "torch.cummin(t, 0)"),
    ("torch_logcumsumexp(t, 2)", "torch.logcumsumexp(t, 1)"), ("torch_logcumsumexp(t * 400, 1)", "torch.logcumsumexp(t * 400, 0)"),
    ("torch_searchsorted(u, x)", "torch.searchsorted(u, x.detach())"), ("torch_bucketize(t, v3$sort()[[1]], right = TRUE)", "torch.bucketize(t, v3.sort()[0], right=True)"),
    ("torch_bitwise_and(i2, 6L)", "i2 & 6"), ("torch_bitwise_or(i2, 9L)", "i2 | 9"), ("torch_bitwise_xor(i2, i2 * 3L)", "i2 ^ (i2 * 3)"),
    ("torch_bitwise_not(i2)", "~i2"), ("torch_gcd(i2, 12L)", "torch.gcd(i2, torch.tensor(12))"), ("torch_lcm(i2, 12L)", "torch.lcm(i2, torch.tensor(12))"),
    ("i2$bitwise_left_shift(2L)", "torch.bitwise_left_shift(i2, 2)"), ("i2$bitwise_right_shift(1L)", "torch.bitwise_right_shift(i2, 1)"),
    ("torch_hann_window(5, dtype = torch_double())", "torch.hann_window(5)"), ("torch_hamming_window(6, FALSE, dtype = torch_double())", "torch.hamming_window(6, False)"),
    ("torch_blackman_window(5, dtype = torch_double())", "torch.blackman_window(5)"), ("torch_bartlett_window(5, FALSE, dtype = torch_double())", "torch.bartlett_window(5, False)"),
    ("torch_kaiser_window(5, beta = 9, dtype = torch_double())", "torch.kaiser_window(5, True, 9)"),
    ("m$index_fill(1, c(1L, 3L), 9)", "m.index_fill(0, torch.tensor([0, 2]), 9)"),
    ("m$index_copy(2, c(3L, 1L), t[, 1:2])", "m.index_copy(1, torch.tensor([2, 0]), t[:, 0:2])"),
    ("m$masked_scatter(m > 0, t)", "m.masked_scatter(m > 0, t)"),
    ("torch_index_put(m, list(c(1L, 1L), c(2L, 2L)), p[1:2], TRUE)", "m.index_put((torch.tensor([0, 0]), torch.tensor([1, 1])), p[:2], True)"),
    ("torch_cov_of(t)", "torch.cov(t)"), ("t$corrcoef()", "torch.corrcoef(t)"), ("t$nanmedian(2)[[1]]", "torch.nanmedian(t, 1)[0]"),
    ("torch_take_along_dim(t, t$argsort(2), 2)", "torch.take_along_dim(t, t.argsort(1), 1)"),
    # parts of tensors
    ("t$slice(2, 0, 2)", "t[:, 0:2]"), ("t$slice(2, 1, -1, 2)", "t[:, 1:-1:2]"), ("t$slice(1, -2)", "t[-2:]"),
    ("m$select_scatter(v3, 2, 1)", "m.select_scatter(v3, 1, 0)"), ("m$diagonal_scatter(v3)", "m.diagonal_scatter(v3)"),
    ("t$slice_scatter(t[, 1:2], 2, 1, 3)", "torch.cat([t[:, :1], t[:, :2], t[:, 3:]], 1)"),
    ("m$detach()$as_strided_scatter(v3$detach(), 3, 2, 1)", "m.detach().as_strided_scatter(v3.detach(), (3,), (2,), 1)"),
    ("t$hsplit(2)", "t.hsplit(2)"), ("t$vsplit(c(1, 2))", "t.vsplit((1, 2))"), ("m$mT()", "m.mT"), ("b$adjoint()", "b.adjoint()"),
    *[("m$scatter_reduce(1, rbind(c(1L, 1L, 2L), c(3L, 1L, 2L)), t[1:2, 1:3], '%s', %s)" % (kind, str(own).upper()),
       "m.scatter_reduce(0, torch.tensor([[0, 0, 1], [2, 0, 1]]), t[:2, :3], '%s', include_self=%s)" % (kind, own))
      for kind in ("sum", "mean", "amax", "amin") for own in (True, False)],
    ("m$index_reduce(1, c(1L, 3L, 1L), t[, 2:4], 'amax')", "m.index_reduce(0, torch.tensor([0, 2, 0]), t[:, 1:], 'amax')"),
    ("m$index_reduce(1, c(1L, 3L, 1L), t[, 2:4], 'mean')", "m.index_reduce(0, torch.tensor([0, 2, 0]), t[:, 1:], 'mean')"),
    # functions of numbers
    ("x$fmax(p5 - 1)", "x.fmax(p5 - 1)"), ("x$fmin(p5 - 1)", "x.fmin(p5 - 1)"), ("x$hardshrink()", "x.hardshrink()"),
    ("x$frexp()", "torch.frexp(x.detach())"), ("t$histogram(4)", "torch.histogram(t.detach(), 4)"),
    ("t$histogram(3, c(-1, 2), density = TRUE)", "torch.histogram(t.detach(), 3, range=(-1, 2), density=True)"),
    ("p$detach()$igamma(u)", "torch.igamma(p.detach(), u)"), ("p$detach()$igammac(u)", "torch.igammac(p.detach(), u)"),
    # distributions
    ("distr_normal(x, p5)$log_prob(x * 0.5)", "D.Normal(x, p5).log_prob(x * 0.5)"), ("distr_normal(x, p5)$entropy()", "D.Normal(x, p5).entropy()"),
    ("distr_normal(x, p5)$cdf(p5)", "D.Normal(x, p5).cdf(p5)"), ("distr_normal(p, u)$icdf(u)", "D.Normal(p, u).icdf(u)"),
    ("distr_normal(p, u)$variance", "D.Normal(p, u).variance"), ("distr_normal(x, 2)$log_prob(p5)", "D.Normal(x, 2.).log_prob(p5)"),
    ("distr_bernoulli(u)$log_prob(p)", "D.Bernoulli(u, validate_args=False).log_prob(p)"), ("distr_bernoulli(u)$entropy()", "D.Bernoulli(u).entropy()"),
    ("distr_bernoulli(logits = x)$log_prob(c(0, 1, 1, 0, 1))", "D.Bernoulli(logits=x).log_prob(torch.tensor([0., 1, 1, 0, 1]))"),
    ("distr_bernoulli(logits = x)$variance", "D.Bernoulli(logits=x).variance"), ("distr_bernoulli(u)$enumerate_support()", "D.Bernoulli(u).enumerate_support()"),
    ("distr_categorical(logits = t)$log_prob(c(1L, 4L, 2L))", "D.Categorical(logits=t).log_prob(torch.tensor([0, 3, 1]))"),
    ("distr_categorical(probs = t * t)$log_prob(2L)", "D.Categorical(probs=t * t).log_prob(torch.tensor(1))"),
    ("distr_categorical(logits = t)$entropy()", "D.Categorical(logits=t).entropy()"), ("distr_categorical(p)$probs", "D.Categorical(p).probs"),
    ("distr_gamma(p, u)$log_prob(p + 1)", "D.Gamma(p, u).log_prob(p + 1)"), ("distr_gamma(p, u)$entropy()", "D.Gamma(p, u).entropy()"),
    ("distr_gamma(p, u)$mean", "D.Gamma(p, u).mean"), ("distr_gamma(p, u)$variance", "D.Gamma(p, u).variance"),
    ("distr_chi2(p)$log_prob(u)", "D.Chi2(p).log_prob(u)"), ("distr_chi2(p)$variance", "D.Chi2(p).variance"),
    ("distr_poisson(p)$log_prob(c(0, 2, 5, 1))", "D.Poisson(p).log_prob(torch.tensor([0., 2, 5, 1]))"), ("distr_poisson(p)$variance", "D.Poisson(p).variance"),
    ("distr_multivariate_normal(v3, b[1, ..])$log_prob(m)", "D.MultivariateNormal(v3, b[0]).log_prob(m)"),
    ("distr_multivariate_normal(v3, b)$log_prob(v3 * 2)", "D.MultivariateNormal(v3, b).log_prob(v3 * 2)"),
    ("distr_multivariate_normal(v3, precision_matrix = b)$log_prob(v3 * 2)", "D.MultivariateNormal(v3, precision_matrix=b).log_prob(v3 * 2)"),
    ("distr_multivariate_normal(v3, scale_tril = linalg_cholesky(b))$entropy()", "D.MultivariateNormal(v3, scale_tril=L.cholesky(b)).entropy()"),
    ("distr_multivariate_normal(v3, b)$variance", "D.MultivariateNormal(v3, b).variance"),
    ("distr_multivariate_normal(v3, b)$precision_matrix", "D.MultivariateNormal(v3, b).precision_matrix"),
    ("distr_mixture_same_family(distr_categorical(u), distr_normal(p, p))$log_prob(x)", "D.MixtureSameFamily(D.Categorical(u), D.Normal(p, p)).log_prob(x)"),
    ("distr_mixture_same_family(distr_categorical(u), distr_normal(p, p))$variance", "D.MixtureSameFamily(D.Categorical(u), D.Normal(p, p)).variance"),
    ("distr_mixture_same_family(distr_categorical(u), distr_normal(p, p))$cdf(x)", "D.MixtureSameFamily(D.Categorical(u), D.Normal(p, p)).cdf(x)"),
    ("distr_mixture_same_family(distr_categorical(u[1:2]), distr_multivariate_normal(v3, b))$log_prob(m)",
     "D.MixtureSameFamily(D.Categorical(u[:2]), D.MultivariateNormal(v3, b)).log_prob(m)"),
    # linear algebra
    ("linalg_inv(m)", "L.inv(m)"), ("linalg_inv(b)", "L.inv(b)"), ("linalg_solve(m, t)", "L.solve(m, t)"),
    ("linalg_solve(m, v3)", "L.solve(m, v3)"), ("linalg_solve(b, m)", "L.solve(b, m.expand(2, 3, 3))"),
    ("linalg_det(m)", "L.det(m)"), ("linalg_det(b)", "L.det(b)"), ("linalg_slogdet(b)", "L.slogdet(b)"), ("torch_logdet(b)", "torch.logdet(b)"),
    ("linalg_cholesky(b)", "L.cholesky(b)"), ("torch_cholesky(b, upper = TRUE)", "L.cholesky(b).mH"),
    ("torch_cholesky_solve(t, linalg_cholesky(b))", "torch.cholesky_solve(t.expand(2, 3, 4), L.cholesky(b))"),
    ("torch_cholesky_inverse(linalg_cholesky(b[1, ..]))", "torch.cholesky_inverse(L.cholesky(b[0]))"),
    ("linalg_qr(t$t())", "L.qr(t.t())"), ("linalg_qr(b)", "L.qr(b)"), ("torch_triangular_solve(t, m)[[1]]", "torch.triangular_solve(t, m)[0]"),
    ("torch_triangular_solve(t, m, upper = FALSE, transpose = TRUE)[[1]]", "torch.triangular_solve(t, m, upper=False, transpose=True)[0]"),
    ("torch_triangular_solve(t, m, unitriangular = TRUE)[[1]]", "torch.triangular_solve(t, m, unitriangular=True)[0]"),
    ("linalg_eigvalsh(b)", "L.eigvalsh(b)"), ("linalg_eigh(b)[[2]]$abs()", "L.eigh(b)[1].abs()"),
    ("linalg_svdvals(t)", "L.svdvals(t)"), ("linalg_svd(t, FALSE)[[1]]$abs()", "L.svd(t, False)[0].abs()"),
    ("linalg_svd(t, FALSE)[[3]]$abs()", "L.svd(t, False)[2].abs()"), ("linalg_pinv(t)", "L.pinv(t)"), ("linalg_pinv(t$t())", "L.pinv(t.t())"),
    ("linalg_lstsq(t$t(), p)$solution", "L.lstsq(t.t(), p.unsqueeze(1), driver='gelsd')[0].squeeze(1)"),
    ("linalg_matrix_power(m, 3)", "L.matrix_power(m, 3)"), ("linalg_matrix_power(m, -2)", "L.matrix_power(m, -2)"),
    ("torch_matrix_exp(m)", "torch.matrix_exp(m)"), ("torch_matrix_exp(b * 3)", "torch.matrix_exp(b * 3)"),
    ("linalg_norm(m)", "L.norm(m)"), ("linalg_matrix_norm(m, 'nuc')", "L.matrix_norm(m, 'nuc')"), ("linalg_matrix_norm(t, 2)", "L.matrix_norm(t, 2)"),
    ("linalg_matrix_norm(t, 1)", "L.matrix_norm(t, 1)"), ("linalg_matrix_norm(b, -Inf)", "L.matrix_norm(b, -math.inf)"),
    ("linalg_vector_norm(t, 3, dim = 2)", "L.vector_norm(t, 3, dim=1)"), ("linalg_cond(m)", "L.cond(m)"), ("linalg_cond(b, 1)", "L.cond(b.detach(), 1)"),
    ("linalg_matrix_rank(t)", "L.matrix_rank(t)"), ("linalg_tensorsolve(torch_reshape(m, c(3, 1, 3)), v3)", "L.tensorsolve(m.reshape(3, 1, 3), v3.reshape(3, 1)).reshape(-1)"),
    ("linalg_tensorinv(torch_reshape(m, c(3, 1, 3)), ind = 1)", "L.tensorinv(m.reshape(3, 1, 3), ind=1)"),
    ("torch_lu(b)[[1]]", "torch.lu(b)[0]"), ("torch_lu_solve(t, torch_lu(m)[[1]], torch_lu(m)[[2]])", "torch.lu_solve(t, *torch.lu(m))"),
    ("linalg_householder_product(torch_geqrf(t$t())[[1]], torch_geqrf(t$t())[[2]])", "L.householder_product(*[a.detach() for a in torch.geqrf(t.t())])"),
    ("torch_ormqr(torch_geqrf(m)[[1]], torch_geqrf(m)[[2]], t)", "torch.ormqr(*[a.detach() for a in torch.geqrf(m)], t.detach())"),
]


def inputs():
    at = lambda *shape: torch.arange(1, math.prod(shape) + 1, dtype=torch.float64).reshape(shape)
    m = torch.sin(at(3, 3) * 1.7) + 2 * torch.eye(3)
    b = torch.cos(at(2, 3, 3) * 2.3)
    return {
        "x": torch.tensor([-1.7, -0.6, 0.3, 0.9, 2.4]), "u": torch.tensor([0.1, 0.35, 0.6, 0.9]),
        "p": torch.tensor([0.4, 1.3, 2.7, 5.5]), "p5": torch.tensor([0.4, 1.3, 2.7, 5.5, 0.9]),
        "v3": torch.tensor([0.7, -1.2, 0.4]), "m": m, "t": torch.sin(at(3, 4) * 2.1 + at(3, 4) ** 2 * 0.37) * 1.5,
        "b": b @ b.transpose(1, 2) + torch.eye(3), "i2": torch.tensor([[6, 3, 6, 3], [10, 12, 7, 12]]),
    }


def show(values):
    return " ".join("%.12g" % v for v in values) if values else "-"


for r, python in CASES:
    made = {k: v.clone().requires_grad_(v.is_floating_point()) for k, v in inputs().items()}
    if python == "torch.cov(t)":
        r = "t$cov()"
    result = eval(python, {**globals(), **made})
    parts = list(result) if isinstance(result, (tuple, list)) else [result]
    value = [float(v) for part in parts for v in part.detach().reshape(-1)]
    if "kthvalue" in r or "mode(" in r or "cumm" in r:  # positions count from 1
        n = len(value) // 2
        value = value[:n] + [v + 1 for v in value[n:]]
    gradients = []
    smooth = [part for part in parts if part.requires_grad]
    if smooth:
        flat = torch.cat([part.reshape(-1) for part in smooth])
        used = [k for k in sorted(made) if made[k].requires_grad]
        found = torch.autograd.grad((flat * torch.cos(torch.arange(1, len(flat) + 1))).sum(), [made[k] for k in used], allow_unused=True)
        gradients = [float(v) for g in found if g is not None for v in g.reshape(-1)]
    print("\t".join([r, show(value), show(gradients)]))
