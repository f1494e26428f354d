# Writes pooled.csv and left_out.csv: what metafor makes of studies.csv.
#
#     Rscript pool.R FOLDER
#
# DerSimonian and Laird's estimator by rma(method = "DL"). Hartung and Knapp's test and interval by
# test = "knha", the ad hoc version by test = "adhoc"; both need two studies.

suppressPackageStartupMessages(library(metafor))

folder <- commandArgs(trailingOnly = TRUE)[1]
studies <- read.csv(file.path(folder, "studies.csv"))
studies$label <- factor(studies$label, levels = unique(studies$label))

pool <- function(cases, test) {
  rma(yi = cases$theta, sei = cases$se, method = "DL", test = test, level = 95)
}

quantities <- function(cases) {
  z <- pool(cases, "z")
  values <- c(
    theta_re = z$beta[1], se_re = z$se, ci_low = z$ci.lb, ci_high = z$ci.ub, q = z$QE, q_p = z$QEp,
    i2 = z$I2, tau2 = z$tau2, z = z$zval, p = z$pval
  )
  if (nrow(cases) > 1) {
    hk <- pool(cases, "knha")
    values <- c(
      values,
      hk_se = hk$se, hk_ci_low = hk$ci.lb, hk_ci_high = hk$ci.ub, hk_p = hk$pval,
      hk_adhoc_se = pool(cases, "adhoc")$se
    )
  }
  values
}

# 17 significant digits give a double back exactly.
rows <- function(label, names, values) {
  sprintf("%s,%s,%.17g", label, names, values)
}

pooled <- "label,quantity,metafor"
left_out <- "label,study,theta_re"
for (label in levels(studies$label)) {
  cases <- studies[studies$label == label, ]
  values <- quantities(cases)
  pooled <- c(pooled, rows(label, names(values), values))
  if (nrow(cases) >= 3 && nrow(cases) <= 20) {
    left <- leave1out(pool(cases, "z"))$estimate
    left_out <- c(left_out, rows(label, cases$study, left))
  }
}
writeLines(pooled, file.path(folder, "pooled.csv"))
writeLines(left_out, file.path(folder, "left_out.csv"))
