using FastExit.Bench.Lab.Entry;

namespace FastExit.Bench.Client;

/// <content>From nothing to a connection that carries packets.</content>
internal sealed partial class GatewayConnection
{
    private int _refusals;

    /// <exception cref="IOException">The gateway is not there, is another one, or does not want this client.</exception>
    private async Task<WebSocketChannel> JoinAsync()
    {
        if (_key is null)
        {
            using WebSocketChannel registration = await ConnectAsync().ConfigureAwait(false);
            await RegisterAsync(registration).ConfigureAwait(false);
            await registration.CloseAsync(0).ConfigureAwait(false);
        }

        WebSocketChannel channel = await ConnectAsync().ConfigureAwait(false);
        try
        {
            await AuthenticateAsync(channel).ConfigureAwait(false);
            return channel;
        }
        catch
        {
            channel.Dispose();
            throw;
        }
    }

    /// <summary>A websocket, and the protocol that both sides speak.</summary>
    private async Task<WebSocketChannel> ConnectAsync()
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        patience.CancelAfter(s_answerPatience);
        WebSocketChannel channel = await WebSocketUpgrade.ConnectAsync(_address, patience.Token).ConfigureAwait(false);
        try
        {
            GatewayMessage answer = await AskAsync(channel, GatewayText.SupportedProtocol(), "supportedProtocol").ConfigureAwait(false);
            if (answer.Version < OldestProtocol)
                throw new IOException($"the gateway speaks protocol {answer.Version}, which is too old");
            _protocol = (byte)Math.Min(answer.Version, EntrySettings.NewestProtocol);
            return channel;
        }
        catch
        {
            channel.Dispose();
            throw;
        }
    }

    private async Task RegisterAsync(WebSocketChannel channel)
    {
        var registration = new ClientRegistration(_client!);
        GatewayMessage second = await AskAsync(channel, GatewayText.Handshake(_protocol, registration.First), "handshakePayload").ConfigureAwait(false);
        if (!registration.TryContinue(second.Data, _identity, out SharedKey key, out byte[] third))
            throw new IOException("another gateway answers there");
        GatewayMessage fourth = await AskAsync(channel, GatewayText.Handshake(_protocol, third), "handshakePayload").ConfigureAwait(false);
        if (fourth.Data is not [Registration.Accepted])
            throw new IOException("the gateway refuses the registration");
        GatewayMessage last = await HearAsync(channel, "register").ConfigureAwait(false);
        if (!last.Status)
            throw new IOException("the gateway refuses the registration");
        _key = key;
    }

    private async Task AuthenticateAsync(WebSocketChannel channel)
    {
        _lastTimestamp = Math.Max(_lastTimestamp + 1, (ulong)DateTimeOffset.UtcNow.ToUnixTimeSeconds());
        try
        {
            byte[] request = GatewayText.Authenticate(_protocol, _client!, _key!, _lastTimestamp);
            GatewayMessage answer = await AskAsync(channel, request, "authenticate").ConfigureAwait(false);
            if (!answer.Status)
                throw new IOException("the gateway refuses this client");
            _refusals = 0;
            _claiming = false;
            Volatile.Write(ref _bandwidth, answer.Bandwidth ?? 0);
        }
        catch (IOException)
        {
            // It may think that an old connection lives; refused twice, it has forgotten who this is.
            if (++_refusals > 1)
                _key = null;
            throw;
        }
    }

    private async Task<GatewayMessage> AskAsync(WebSocketChannel channel, byte[] request, string expected)
    {
        await channel.SendAsync(WebSocketOpcode.Text, request, _stop.Token).ConfigureAwait(false);
        return await HearAsync(channel, expected).ConfigureAwait(false);
    }

    /// <summary>The next text message; what the mixnet had for the client comes in between.</summary>
    private async Task<GatewayMessage> HearAsync(WebSocketChannel channel, string expected)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        patience.CancelAfter(s_answerPatience);
        while (true)
        {
            WebSocketMessage message = await channel.ReceiveAsync(patience.Token).ConfigureAwait(false);
            switch (message.Kind)
            {
                case WebSocketOpcode.Close:
                    throw new IOException("the gateway closed the connection");
                case WebSocketOpcode.Binary when _key is not null:
                    Deliver(message.Bytes.Span);
                    break;
                case WebSocketOpcode.Text when GatewayText.TryRead(message.Bytes, out GatewayMessage heard):
                    if (heard.Type == expected)
                        return heard;
                    throw new IOException($"the gateway answers '{heard.Type}' {heard.Text}");
            }
        }
    }
}
