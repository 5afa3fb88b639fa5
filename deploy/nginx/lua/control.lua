-- What `marina serve` tells nginx over the control socket: the header Authorization that the model server wants now.
-- POST /authorization opens the predictions (the body is empty if the server wants no token), DELETE closes them.
-- POST /management sets the one for management.

local shared = ngx.shared.marina
local key = ngx.var.uri:sub(2)
local method = ngx.req.get_method()

if method == "POST" then
    ngx.req.read_body()
    shared:set(key, ngx.req.get_body_data() or "")
elseif method == "DELETE" then
    shared:delete(key)
end
ngx.status = ngx.HTTP_NO_CONTENT
