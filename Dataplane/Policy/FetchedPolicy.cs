using System.Net;
using System.Net.Http.Headers;
using System.Text;

namespace FastExit.Policy;

/// <summary>A policy body that passed every check, or word that the one in hand is still current (null policy).</summary>
internal sealed record FetchedPolicy(ExitPolicy? Policy, string Body, string? EntityTag)
{
    private const int MaximumTagCharacters = 1024;

    /// <summary>
    /// Fetches once. Throws <see cref="PolicyFormatException"/> for a wrong answer and <see cref="HttpRequestException"/>,
    /// <see cref="IOException"/> or <see cref="OperationCanceledException"/> for none.
    /// </summary>
    public static async Task<FetchedPolicy> GetAsync(
        HttpClient client, Uri url, string? entityTag, int maximumBytes, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, url);
        if (entityTag is not null && EntityTagHeaderValue.TryParse(entityTag, out var known)) request.Headers.IfNoneMatch.Add(known);
        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation).ConfigureAwait(false);

        var source = url.AbsoluteUri;
        if (response.StatusCode == HttpStatusCode.NotModified && request.Headers.IfNoneMatch.Count > 0)
            return new FetchedPolicy(null, "", entityTag);
        if (response.StatusCode != HttpStatusCode.OK)
        {
            throw new PolicyFormatException(
                source, 0, $"the server answered with status {(int)response.StatusCode}", "check the address of the policy");
        }

        var body = await ReadBoundedAsync(response.Content, source, maximumBytes, cancellation).ConfigureAwait(false);
        var tag = response.Headers.ETag?.ToString();
        return new FetchedPolicy(ParseSound(body, source), body, tag?.Length <= MaximumTagCharacters ? tag : null);
    }

    /// <summary>
    /// Parses text that came from outside. An empty or cut-off text can be a perfectly legal policy that closes the exit,
    /// so at least one rule and the final <c>reject *:*</c> are required.
    /// </summary>
    public static ExitPolicy ParseSound(string body, string source)
    {
        var policy = ExitPolicy.Parse(body, source);
        return policy.EndsWithReject
            ? policy
            : throw new PolicyFormatException(
                source, 0, "the policy does not end with 'reject *:*'; it is empty, cut off or another page", "check the address of the policy");
    }

    private static async Task<string> ReadBoundedAsync(HttpContent content, string source, int maximumBytes, CancellationToken cancellation)
    {
        if (content.Headers.ContentLength > maximumBytes) throw TooLarge(source);
        var stream = await content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);
        await using (stream.ConfigureAwait(false))
        {
            var bytes = new byte[maximumBytes + 1];
            var length = await stream.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellation).ConfigureAwait(false);
            return length > maximumBytes ? throw TooLarge(source) : Encoding.UTF8.GetString(bytes, 0, length).TrimStart('\uFEFF');
        }
    }

    private static PolicyFormatException TooLarge(string source) =>
        new(source, 0, "the policy is too large", "check the address of the policy");
}
