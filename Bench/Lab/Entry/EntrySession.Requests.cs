using System.Security.Cryptography;
using System.Text.Json;

namespace FastExit.Bench.Lab.Entry;

/// <content>Text messages: who a client is, and what it asks for.</content>
internal sealed partial class EntrySession
{
    private const byte PushKind = 1;
    private const ushort PolicyViolation = 1008;

    /// <returns>False: it was told why, or is gone.</returns>
    private async Task<bool> BecomeKnownAsync()
    {
        for (int early = 1; _client is null; early++)
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
            patience.CancelAfter(_settings.FirstMessageTimeout);
            WebSocketMessage message = await channel.ReceiveAsync(patience.Token).ConfigureAwait(false);
            string? refusal = message.Kind switch
            {
                WebSocketOpcode.Close => "",
                _ when early > _settings.EarlyMessages => "too many requests before registration or authentication",
                WebSocketOpcode.Binary => "packets are taken from known clients only",
                _ => await AnswerNewAsync(message.Bytes).ConfigureAwait(false),
            };
            if (refusal is null)
                continue;
            if (refusal.Length > 0)
            {
                await SendTextAsync(GatewayAnswer.Error(refusal)).ConfigureAwait(false);
                await channel.CloseAsync(PolicyViolation).ConfigureAwait(false);
            }

            return false;
        }

        return true;
    }

    /// <returns>Null: go on; else why not, empty when there is nothing to say.</returns>
    private async Task<string?> AnswerNewAsync(ReadOnlyMemory<byte> text)
    {
        if (!ClientRequest.TryParse(text, out ClientRequest request))
            return "this is no request";
        switch (request.Kind)
        {
            case ClientRequestKind.SupportedProtocol:
                await SendTextAsync(GatewayAnswer.SupportedProtocol(_settings.AnnouncedProtocol)).ConfigureAwait(false);
                return null;
            case ClientRequestKind.Handshake when _registration is null:
                return await BeginRegistrationAsync(request).ConfigureAwait(false);
            case ClientRequestKind.Handshake:
                return await FinishRegistrationAsync(request).ConfigureAwait(false);
            case ClientRequestKind.HandshakeError:
                return "";
            case ClientRequestKind.Authenticate:
                return Authentication.CheckV1(request, room.Clients, out KnownClient? old)
                    ?? await WelcomeAsync(old!, request).ConfigureAwait(false);
            case ClientRequestKind.AuthenticateV2:
                return Authentication.CheckV2(request, room.Clients, _settings, room.Clock.GetUtcNow(), out KnownClient? known)
                    ?? await WelcomeAsync(known!, request).ConfigureAwait(false);
            default:
                return "register or authenticate first";
        }
    }

    private static byte? Answered(byte? protocol) => protocol is { } asked ? Math.Min(asked, EntrySettings.NewestProtocol) : null;

    private async Task<string?> BeginRegistrationAsync(ClientRequest request)
    {
        _registration = GatewayRegistration.Begin(request.Data, room.IdentitySeed.Span, out byte[] second);
        if (_registration is null)
            return "this is no first message of a registration";
        await SendTextAsync(GatewayAnswer.Handshake(Answered(request.Protocol), second)).ConfigureAwait(false);
        return null;
    }

    private async Task<string?> FinishRegistrationAsync(ClientRequest request)
    {
        GatewayRegistration registration = _registration!;
        byte? protocol = Answered(request.Protocol);
        if (!registration.Finish(request.Data))
        {
            await SendTextAsync(GatewayAnswer.Handshake(protocol, new[] { Registration.Rejected })).ConfigureAwait(false);
            return "the client's signature is wrong";
        }

        KnownClient client = room.Clients.Find(registration.Identity) ?? room.Clients.Register(registration.Identity, registration.Key);
        if (await AttachAsync(client, () =>
        {
            room.Clients.Register(registration.Identity, registration.Key);
            return null;
        }).ConfigureAwait(false) is { } refusal)
            return refusal;
        room.Counters.Add(EntryCounter.Registrations);
        await SendTextAsync(GatewayAnswer.Handshake(protocol, new[] { Registration.Accepted })).ConfigureAwait(false);
        await SendTextAsync(GatewayAnswer.Register(protocol)).ConfigureAwait(false);
        return null;
    }

    private async Task<string?> WelcomeAsync(KnownClient client, ClientRequest request)
    {
        if (await AttachAsync(client, () =>
        {
            if (request.Kind != ClientRequestKind.AuthenticateV2)
                return null;
            if (request.Timestamp <= client.LastTimestamp)
                return "this timestamp was used before";
            room.Clients.UseTimestamp(client, request.Timestamp);
            return null;
        }).ConfigureAwait(false) is { } refusal)
            return refusal;
        room.Counters.Add(EntryCounter.Authentications);

        // What was kept comes before the answer.
        await PushWaitingAsync().ConfigureAwait(false);
        await SendTextAsync(GatewayAnswer.Authenticate(Answered(request.Protocol), client.Bandwidth)).ConfigureAwait(false);
        return null;
    }

    /// <summary>Makes this the client's connection, unless it has one that lives.</summary>
    private async Task<string?> AttachAsync(KnownClient client, Func<string?> claim)
    {
        await client.Turn.WaitAsync(_stop.Token).ConfigureAwait(false);
        try
        {
            if (client.Session is { } old)
            {
                if (await old.AnswersAsync().ConfigureAwait(false))
                    return "this client has another connection";
                old.Abort();
                await old._ended.Task.WaitAsync(_stop.Token).ConfigureAwait(false);
            }

            if (claim() is { } refusal)
                return refusal;
            client.Session = this;
            client.Mailbox.Online = true;
            _client = client;
            return null;
        }
        finally
        {
            client.Turn.Release();
        }
    }

    private Task<bool> AnswersAsync() => channel.AnswersAsync(_settings.DuplicatePing);

    /// <returns>False: no request that a known client may make. It is not told, as an error would end its receiving.</returns>
    private async Task<bool> AnswerKnownAsync(ReadOnlyMemory<byte> text)
    {
        if (!ClientRequest.TryParse(text, out ClientRequest request))
            return false;
        switch (request.Kind)
        {
            case ClientRequestKind.SupportedProtocol:
                await SendTextAsync(GatewayAnswer.SupportedProtocol(_settings.AnnouncedProtocol)).ConfigureAwait(false);
                return true;
            case ClientRequestKind.ClaimBandwidth:
                await SendTextAsync(GatewayAnswer.Bandwidth(_client!.AddBandwidth(_settings.ClaimedBandwidth))).ConfigureAwait(false);
                return true;
            case ClientRequestKind.Encrypted when Acknowledge(request) is { } answer:
                await SendTextAsync(answer).ConfigureAwait(false);
                return true;
            default:
                return false;
        }
    }

    // There is nothing to remember; what is to be forgotten is what waits.
    private byte[]? Acknowledge(ClientRequest request)
    {
        SharedKey key = _client!.Key;
        if (key.Decrypt(request.Nonce, request.Data) is not { } plaintext || Member(plaintext) is not { } member)
            return null;
        if (member == "ForgetMe")
            _client.Mailbox.Clear();
        byte[] nonce = RandomNumberGenerator.GetBytes(key.NonceBytes);
        return GatewayAnswer.Encrypted(key.Encrypt(nonce, JsonSerializer.SerializeToUtf8Bytes(
            new Dictionary<string, object> { [member + "Ack"] = new Dictionary<string, object>() })), nonce);
    }

    private static string? Member(byte[] plaintext)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(plaintext);
            return document.RootElement.ValueKind != JsonValueKind.Object ? null
                : document.RootElement.TryGetProperty("ForgetMe", out _) ? "ForgetMe"
                : document.RootElement.TryGetProperty("RememberMe", out _) ? "RememberMe"
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
