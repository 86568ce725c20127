#include "virtual/warden.h"
void warden_path(struct warden *w, struct bell *b)
{
	b->q.answer = ANSWER_NATIVE;
}
