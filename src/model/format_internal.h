#pragma once
/*
 * format_internal: the shapes that rows of format.c name.
 *
 *     format_chat.c         messages for people: slack, discord, teams
 *     format_cloudevents.c  cloudevents, in both modes
 */
#include "model/format.h"

void chat_slack(const struct message *m, struct buf *out);
void chat_discord(const struct message *m, struct buf *out);
void chat_teams(const struct message *m, struct buf *out);

void cloudevents_body(const struct message *m, struct buf *out);
void cloudevents_headers(const struct message *m, format_header_fn *each, void *ctx);
